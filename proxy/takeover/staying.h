// Who stays with this process when another one takes over: clients in the middle of proving who
// they are, whose challenge was ours, encrypted clients, clients that have an encrypted server, and
// what servers these have.
//
// Thread: that of the connection, or one, while all workers are parked.
#pragma once

#include "proxy/session/context.h"

namespace weir {

// Its TLS, whose state is in this process alone.
template <typename T>
bool is_encrypted(const T& connection) {
    return connection.tls != nullptr;
}

// A free slot stays, too.
[[nodiscard]] bool stays(const ClientSession& session);
// It is at work here, and goes on with that.
[[nodiscard]] bool stays(const ServerConnection& server);
// The other process goes on with it. What neither stays nor moves is closed.
[[nodiscard]] bool moves(const ServerConnection& server);

}  // namespace weir
