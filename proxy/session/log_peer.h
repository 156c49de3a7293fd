// How the connections of a worker are called in the log: PgBouncer's prefix, see LogPeer. Thread:
// the worker's.
#pragma once

#include "conf/log_line.h"
#include "proxy/session/context.h"

namespace weir {

LogPeer log_peer(const WorkerContext& ctx, const ClientSession& session);
LogPeer log_peer(const ServerConnection& server);

}  // namespace weir
