// Route explanation: what would be decided for a statement now, and why, step by step: EXPLAIN
// ROUTE. It asks the same functions as the traffic (decide_split, survey, mark_best, Selector) and
// only puts their answers into words. It takes no trial and counts nothing.
//
// What it assumes of the session, since there is none: the target_session_attrs of the
// configuration (a client's own and its port's go before that), client_encoding UTF8,
// standard_conforming_strings on, nothing written so far, and that the text is all of its
// transaction. Latencies of load_balance = peak_ewma are those of the first worker.
// Thread: any; some milliseconds for a long text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "proxy/pool/pool_group.h"

namespace weir {

struct RouteQuestion {
    const Config& config;
    const DatabaseConfig& database;
    std::string user;      // the client's; empty = options of users are left out
    std::string user_why;  // whose name that is
    const PoolMembers& members;
    std::string_view sql;
    Instant now;
};

struct RouteStep {
    std::string step;
    std::string verdict;
    std::string detail;
};

// The last step is `chosen`: which backends would be, "none" when the transaction would be held.
[[nodiscard]] std::vector<RouteStep> explain_route(const RouteQuestion& question);

}  // namespace weir
