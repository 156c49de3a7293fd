// Collecting: the sessions, servers and cancel requests of this process that another one is to go
// on with (staying.h), as records. Nothing changes by it: whoever has collected may go on as if
// nothing had happened, or lets go (letting_go.h).
//
// Thread: one, while all workers are parked and their inboxes are empty.
#pragma once

#include <span>

#include "proxy/session/context.h"
#include "proxy/takeover/state.h"

namespace weir {

// Descriptors in the records stay this process's.
HandedWorld collect(std::span<WorkerContext* const> workers, Shared& shared, const Config& config);

// A session that has just proven who it is, for Successor. Thread: its worker's.
HandedSession collect_login(const ClientSession& session);
// A connection that has brought a cancel request, with which it begins anew. Thread: its worker's.
HandedSession collect_visitor(const ClientSession& session, const CancelKey& key);

}  // namespace weir
