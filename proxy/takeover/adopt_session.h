// What adopting a session has in common, whether it comes with everything else (adopt.h) or later,
// alone. Thread: the worker's, or one, while it does not run.
#pragma once

#include "proxy/session/context.h"
#include "proxy/takeover/state.h"

namespace weir {

// A new session of the worker's.
ClientSession& take_slot(WorkerContext& ctx);
// Fills in what every session has, logged in or not. It is not registered with the worker's Io yet.
void take_basics(const HandedSession& handed, ClientSession& session, WorkerContext& ctx);
// Registers it.
void watch(ClientSession& session, WorkerContext& ctx);

// A session that comes later (collect_login(), collect_visitor()), counted by Shared::in_transit
// until now; closed when it is malformed.
void adopt_late(const HandedSession& handed, WorkerContext& ctx);

}  // namespace weir
