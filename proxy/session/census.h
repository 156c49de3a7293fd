// WorkerCensus: how many of everything one worker has, by state: what metrics need of it. Unlike a
// WorkerSnapshot it has no row for each connection, and makes no system call for one.
// Thread: a value, made by the worker.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "protocol/base/clock.h"
#include "proxy/leaks/leak_report.h"

namespace weir {

class PoolGroup;

// What keeps a server with its client while no query runs; the first that holds.
enum class PinReason : uint8_t {
    Replication,
    Session,  // session pooling
    FailedTransaction,
    Transaction,
    Copy,
    Batch,        // an extended batch without its Sync
    HalfMessage,  // of the client's
    kCount,
};
constexpr size_t kPinReasons = static_cast<size_t>(PinReason::kCount);
// "failed_transaction", as metrics say it.
[[nodiscard]] std::string_view to_text(PinReason reason);

// Of one (database, user).
struct PoolCensus {
    size_t clients_idle = 0;
    size_t clients_active = 0;  // have a server
    size_t clients_waiting = 0;
    size_t clients_throttled = 0;        // held back by a rate limit
    size_t servers_tested = 0;           // cleaned, or checked before use
    size_t servers_being_cancelled = 0;  // withheld until a cancel request has ended
    std::array<size_t, kPinReasons> pins{};

    void add(const PoolCensus& more);
};

struct WorkerCensus {
    // Only names, not to be followed by another thread.
    std::unordered_map<const PoolGroup*, PoolCensus> pools;
    size_t logins = 0;    // clients that have not been let in yet
    size_t consoles = 0;  // clients of the console
    size_t cancels = 0;   // connections that brought a cancel request
    size_t servers = 0;   // that it opens, lends or closes
    uint64_t client_slots = 0;
    uint64_t buffered_bytes = 0;  // held and unsent, of clients and servers
    uint64_t statements = 0;
    uint64_t statement_bytes = 0;
    Duration lag{0};  // from the question to the beginning of the batch of events with the answer
    LeakTotals leaks;
};

}  // namespace weir
