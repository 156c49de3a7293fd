// What is known of queries, as SHOW QUERIES, SHOW SLOW, the status page and the metrics tell it.
// Literals are in none of it. Thread: any (values).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "conf/log_line.h"
#include "protocol/base/clock.h"
#include "protocol/base/histogram.h"

namespace weir {

// All queries of one (database, user) with the same digest. Under sampling, figures are estimates;
// sums over all of them are exact for `calls` and `preparations`.
struct QueryStats {
    std::string database, user;
    uint64_t digest = 0;     // 0 = without text
    bool is_parsed = false;  // the digest is libpg_query's fingerprint, else a hash of `query`
    std::string query;       // the latest example, literals masked
    uint64_t calls = 0;
    uint64_t preparations = 0;  // requests that only prepared or described it
    uint64_t errors = 0;        // failed, or abandoned; counted in calls, too
    uint64_t rows = 0;
    uint64_t bytes_in = 0, bytes_out = 0;
    uint64_t total_us = 0, max_us = 0;  // without waiting
    uint64_t wait_us = 0;               // for a server
    HistogramTotals latency;            // of calls
    Instant first_seen, last_seen;
    std::array<char, 5> last_error{};  // SQLSTATE; its first character is 0 when there is none

    // Adds the figures of `other`, not its names.
    void add(const QueryStats& other);
};

struct SlowQuery {
    Instant ended;
    uint64_t duration_us = 0, wait_us = 0, rows = 0, bytes_out = 0;
    LogPeer client;
    std::string application_name;
    uint32_t server_pid = 0;
    std::array<char, 5> sqlstate{};  // as QueryStats::last_error
    bool is_abandoned = false;
    uint64_t digest = 0;
    std::string query;
};

struct InsightTotals {
    uint64_t queries = 0;      // that samples stand for
    uint64_t samples = 0;      // taken by workers
    uint64_t dropped = 0;      // not taken, as there was no room
    uint64_t slow = 0;         // over slow_query_time
    uint64_t parsed = 0;       // texts that got a fingerprint
    uint64_t unparsed = 0;     // ... that the parser refused, or that were cut
    uint64_t over_budget = 0;  // ... that came faster than they may be parsed
    uint64_t digests = 0;      // rows that are kept
    uint64_t evicted = 0;      // rows that had to make room
    uint64_t bytes = 0;        // of memory, about
};

struct InsightSnapshot {
    bool is_on = false;
    std::vector<QueryStats> queries;  // by total time, the longest first
    QueryStats others;                // of the rows that were evicted; no names
    std::vector<SlowQuery> slow;      // the newest last
    InsightTotals totals;
};

}  // namespace weir
