// Collecting: all sessions, servers and cancel requests of this process as records for another one.
// Nothing changes by it: whoever has collected may go on as if nothing had happened. Or it lets go:
// then our copies are closed, without a word to anybody, and the other process goes on.
//
// What no other process can go on with stays: clients in the middle of proving who they are,
// encrypted clients, clients that have an encrypted server; these go on here. Server connections
// that are being opened, and idle ones that are encrypted, are closed.
//
// Thread: one, while all workers are parked and their inboxes are empty.
#pragma once

#include <span>

#include "proxy/session/context.h"
#include "proxy/takeover/state.h"

namespace weir {

// Descriptors in the records stay this process's.
HandedWorld collect(std::span<WorkerContext* const> workers, Shared& shared, const Config& config);

// It is not encrypted.
bool can_follow(const ClientSession& session);
// A session that has just proven who it is, for Successor. Thread: its worker's.
HandedSession collect_login(const ClientSession& session);

// Closes what collect() has listed; connections that are being opened, too.
void let_go(std::span<WorkerContext* const> workers, Shared& shared);

}  // namespace weir
