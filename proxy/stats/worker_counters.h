// WorkerCounters: what one worker counts that is no one pool's. Single writer, see
// protocol/base/counter.h. Owner: WorkerContext. Thread: written by the worker, read by any.
#pragma once

#include <array>

#include "protocol/base/histogram.h"
#include "proxy/stats/close_reason.h"
#include "proxy/stats/error_counters.h"

namespace weir {

struct alignas(64) WorkerCounters {
    Histogram client_logins;  // from the connection to the welcome
    Histogram server_logins;  // from the order to connect to the server's first ReadyForQuery
    Histogram client_tls_handshakes;
    Histogram server_tls_handshakes;

    Counter connections;  // accepted
    Counter client_tls_handshakes_failed;
    Counter server_logins_failed;
    std::array<Counter, kCloseReasons> servers_closed;  // of those that had logged in
    Counter cancels_received;                           // requests of clients
    Counter cancels_sent;                               // to servers, our own clean-up's among them

    ErrorCounters server_errors;  // ErrorResponses of servers
    ErrorCounters own_errors;     // what clients were told by us

    void note_closed(CloseReason reason) { servers_closed[static_cast<size_t>(reason)].add(1); }
};

}  // namespace weir
