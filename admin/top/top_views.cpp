#include "admin/top/top_views.h"

namespace weir {

namespace {

using enum TopFormat;

constexpr TopColumn kPools[] = {
    {"database", "DATABASE", 14},        {"user", "USER", 12},
    {"cl_active", "CL_ACT", 6, Plain},   {"cl_waiting", "CL_WAIT", 7, Plain},
    {"sv_active", "SV_ACT", 6, Plain},   {"sv_idle", "SV_IDLE", 7, Plain},
    {"sv_used", "SV_USED", 7, Plain, 2}, {"sv_login", "SV_LOGIN", 8, Plain, 1},
    {"wait", "MAXWAIT", 8, Us},          {"pool_mode", "MODE", 0},
};
constexpr TopColumn kClients[] = {
    {"database", "DATABASE", 12},
    {"user", "USER", 12},
    {"state", "STATE", 8},
    {"addr", "ADDRESS", 15},
    {"port", "PORT", 5, Plain, 3},
    {"wait_all", "WAIT", 7, Us},
    {"request_time", "LAST REQUEST", 19, Text, 2},
    {"connect_time", "CONNECTED", 19, Text, 4},
    {"tls", "TLS", 8, Text, 5},
    {"id", "ID", 7, Plain, 1},
    {"application_name", "APPLICATION", 0},
};
constexpr TopColumn kQueries[] = {
    {"percent", "TIME%", 5, Plain},
    {"calls_rate", "CALLS/S", 7, Count},
    {"calls", "CALLS", 6, Count},
    {"mean_us", "MEAN", 7, Us},
    {"p95_us", "P95", 7, Us},
    {"max_us", "MAX", 7, Us, 2},
    {"total_us", "TOTAL", 7, Us, 5},
    {"rows", "ROWS", 6, Count, 4},
    {"errors", "ERR", 5, Count, 1},
    {"wait_percent", "WAIT%", 5, Plain, 3},
    {"database", "DATABASE", 10, Text, 6},
    {"user", "USER", 10, Text, 7},
    {"query", "QUERY", 0},
};
constexpr TopColumn kServers[] = {
    {"database", "DATABASE", 12},
    {"user", "USER", 12},
    {"state", "STATE", 8},
    {"addr", "ADDRESS", 15},
    {"port", "PORT", 5, Plain},
    {"remote_pid", "PID", 7, Plain},
    {"request_time", "LAST REQUEST", 19, Text, 2},
    {"connect_time", "CONNECTED", 19, Text, 3},
    {"tls", "TLS", 8, Text, 4},
    {"application_name", "APPLICATION", 0},
};
constexpr TopColumn kBackends[] = {
    {"name", "NAME", 12},
    {"host", "HOST", 15, Text, 3},
    {"role", "ROLE", 8},
    {"state", "STATE", 10},
    {"health", "HEALTH", 6, Plain},
    {"in_use", "IN_USE", 6, Plain},
    {"waiting", "WAIT", 5, Plain},
    {"lag_seconds", "LAG", 6, Text, 1},
    {"breaker", "BREAKER", 9, Text, 2},
    {"routed_rate", "TXN/S", 7, Count},
    {"why", "WHY", 0},
};
constexpr TopColumn kSlow[] = {
    {"time", "WHEN", 19},          {"duration_us", "TIME", 7, Us},
    {"wait_us", "WAIT", 7, Us, 2}, {"database", "DATABASE", 10, Text, 3},
    {"user", "USER", 10, Text, 1}, {"application_name", "APPLICATION", 12, Text, 4},
    {"error", "ERROR", 9},         {"query", "QUERY", 0},
};

constexpr TopView kViews[] = {
    {"Pools", '1', "SHOW POOLS", kPools, "cl_waiting"},
    {"Clients", '2', "SHOW CLIENTS", kClients, "wait_all"},
    {"Queries", '3', "SHOW QUERIES", kQueries, "total_us", 30},
    {"Servers", '4', "SHOW SERVERS", kServers, "state"},
    {"Backends", '5', "SHOW BACKENDS", kBackends, "name"},
    {"Slow", '6', "SHOW SLOW", kSlow, "time", 30},
};

}  // namespace

std::span<const TopView> top_views() {
    return kViews;
}

}  // namespace weir
