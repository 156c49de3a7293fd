// Farewell: how a server connection ends. It is told to go, and its slot comes free when its
// process has ended, which the end of the stream tells: whoever counts in pg_stat_activity never
// sees one more than the limits allow. A server that does not go within kWaitMax is left to itself,
// and so is, at once, one whose login has failed for another reason than its own FATAL.
//
// Facts used (PostgreSQL documentation, "Termination"; "Canceling Requests in Progress"): a backend
// that reads Terminate, or the end of the stream, exits; it reads neither while it runs a
// statement, so that is cancelled.
//
// Owner: Servers. Thread: the worker's.
#pragma once

#include <optional>

#include "proxy/session/context.h"

namespace weir {

class Farewell {
  public:
    explicit Farewell(WorkerContext& context) : ctx_(context) {}

    // The connection, without a client by now, is to end. `failure`: why it never came up, which
    // waiters are told when its slot is free.
    void begin(ServerConnection& server, const std::optional<Error>& failure);
    // It is Closing, and its socket has something: thrown away, up to the end.
    void on_readable(ServerConnection& server);
    // Closes the socket and frees the slot, at once.
    void finish(ServerConnection& server);

  private:
    static constexpr Duration kWaitMax = std::chrono::seconds(5);

    WorkerContext& ctx_;
};

}  // namespace weir
