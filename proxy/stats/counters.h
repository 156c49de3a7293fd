// PoolCounters: what one worker counts for one pool. Single writer, so plain loads and stores on
// relaxed atomics; readers sum over the workers. PgBouncer's SHOW STATS vocabulary, times in
// microseconds. Thread: written by one worker, read by any.
#pragma once

#include <cstdint>

#include "protocol/base/counter.h"
#include "proxy/stats/pool_histograms.h"

namespace weir {

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
    Counter prepared_hits;    // a statement was wanted, and the server had it
    Counter prepared_misses;  // ... and it had to be prepared there first
    LazyPoolHistograms histograms;
};

// The same, summed.
struct PoolTotals {
    uint64_t server_assignments = 0, transactions = 0, queries = 0, bytes_received = 0,
             bytes_sent = 0, transaction_us = 0, query_us = 0, wait_us = 0, client_parses = 0,
             server_parses = 0, binds = 0, client_logins = 0, prepared_hits = 0,
             prepared_misses = 0;

    void add(const PoolTotals& more);
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
        prepared_hits += c.prepared_hits.get();
        prepared_misses += c.prepared_misses.get();
    }
};

inline void PoolTotals::add(const PoolTotals& more) {
    server_assignments += more.server_assignments;
    transactions += more.transactions;
    queries += more.queries;
    bytes_received += more.bytes_received;
    bytes_sent += more.bytes_sent;
    transaction_us += more.transaction_us;
    query_us += more.query_us;
    wait_us += more.wait_us;
    client_parses += more.client_parses;
    server_parses += more.server_parses;
    binds += more.binds;
    client_logins += more.client_logins;
    prepared_hits += more.prepared_hits;
    prepared_misses += more.prepared_misses;
}

// With the histograms: all that pools count.
struct PoolRecord {
    PoolTotals totals;
    PoolHistogramTotals histograms;

    void add(const PoolCounters& counters) {
        totals.add(counters);
        if (const PoolHistograms* found = counters.histograms.find()) histograms.add(*found);
    }
    void add(const PoolRecord& more) {
        totals.add(more.totals);
        histograms.add(more.histograms);
    }
};

}  // namespace weir
