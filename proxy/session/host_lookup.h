// The addresses of a host name, for whoever connects to it: a server, a peer. Thread: the worker's.
#pragma once

#include <string>

#include "proxy/session/context.h"

namespace weir {

// What is known of `host` now. The control thread is asked to look it up when that is due; with
// Answer::Kind::Pending, WorkerMessage::Kind::Resolved says when there is more to know.
HostTable::Answer look_up(const WorkerContext& ctx, const std::string& host);

}  // namespace weir
