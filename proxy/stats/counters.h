// PoolCounters: what one worker counts for one pool. Single writer, so plain loads and stores on
// relaxed atomics; readers sum over the workers. PgBouncer's SHOW STATS vocabulary, times in
// microseconds. Thread: written by one worker, read by any.
#pragma once

#include <atomic>
#include <cstdint>

namespace weir {

class Counter {
  public:
    void add(uint64_t n) {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    [[nodiscard]] uint64_t get() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<uint64_t> value_{0};
};

struct alignas(64) PoolCounters {
    Counter server_assignments;
    Counter transactions;
    Counter queries;
    Counter bytes_received;  // from clients
    Counter bytes_sent;      // to clients
    Counter transaction_us;
    Counter query_us;
    Counter wait_us;
    Counter client_parses;
    Counter server_parses;
    Counter binds;
    Counter client_logins;
};

// The same, summed.
struct PoolTotals {
    uint64_t server_assignments = 0, transactions = 0, queries = 0, bytes_received = 0,
             bytes_sent = 0, transaction_us = 0, query_us = 0, wait_us = 0, client_parses = 0,
             server_parses = 0, binds = 0, client_logins = 0;

    void add(const PoolCounters& c) {
        server_assignments += c.server_assignments.get();
        transactions += c.transactions.get();
        queries += c.queries.get();
        bytes_received += c.bytes_received.get();
        bytes_sent += c.bytes_sent.get();
        transaction_us += c.transaction_us.get();
        query_us += c.query_us.get();
        wait_us += c.wait_us.get();
        client_parses += c.client_parses.get();
        server_parses += c.server_parses.get();
        binds += c.binds.get();
        client_logins += c.client_logins.get();
    }
};

}  // namespace weir
