// Staying: who stays with this process when another one takes over.
//
//   clients  in the middle of proving who they are, whose challenge was ours; encrypted ones; those
//            that have an encrypted server
//   servers  of such clients, also one that is being opened for a client alone; encrypted ones that
//            are at work; those that are asked for a secret (auth_query)
//   cancels  encrypted ones, and those for a server that stays; with each, the connection that
//            brought it, as with those that are passed on to peers
//
// Thread: one, while all workers are parked and their inboxes are empty; valid until they go on.
#pragma once

#include <span>
#include <unordered_set>

#include "proxy/session/cancel/cancels.h"
#include "proxy/session/context.h"

namespace weir {

// Its TLS, whose state is in this process alone.
template <typename T>
bool is_encrypted(const T& connection) {
    return connection.tls != nullptr;
}

class Staying {
  public:
    explicit Staying(std::span<WorkerContext* const> workers);

    // A free slot stays, too.
    [[nodiscard]] bool stays(const ClientSession& session) const;
    [[nodiscard]] bool stays(const CancelConnection& cancel) const;
    // It is at work here, and goes on with that.
    [[nodiscard]] bool stays(const ServerConnection& server) const;
    // The other process goes on with it. What neither stays nor moves is closed.
    [[nodiscard]] bool moves(const ServerConnection& server) const;
    // The session that a message would name so; null = none.
    [[nodiscard]] const ClientSession* find(ClientId id) const;

  private:
    const std::span<WorkerContext* const> workers_;
    std::unordered_set<const ClientSession*> followers_;  // brought cancel requests that move
};

}  // namespace weir
