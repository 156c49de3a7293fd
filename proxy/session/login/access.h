// What is told to the AccessSink of a client session. Thread: the worker's.
#pragma once

#include <string_view>

#include "proxy/session/context.h"

namespace weir {

// It is in, from now on.
void note_login(WorkerContext& ctx, ClientSession& session);
// It is about to end. Who sent no start-up packet and spoke no TLS (a probe of a port) is not told
// of, neither are cancel requests.
void note_end(WorkerContext& ctx, const ClientSession& session, std::string_view reason,
              std::string_view sqlstate = {});

}  // namespace weir
