// SHOW QUERIES, SHOW SLOW and SHOW QUERY_TOTALS: where the time of the servers goes, which queries
// were slow, and how good that knowledge is. Literals are in none of it.
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "admin/console/show_specs.h"

namespace weir {

namespace {

constexpr ResultColumn kQueriesColumns[] = {
    {"database"},  // NULL: the rows that had to make room
    {"user"},
    {"digest"},
    {"calls", ColumnType::Int8},
    {"errors", ColumnType::Int8},
    {"rows", ColumnType::Int8},
    {"total_us", ColumnType::Int8},
    {"percent", ColumnType::Int4},  // of the time of all
    {"mean_us", ColumnType::Int8},
    {"p50_us", ColumnType::Int8},
    {"p95_us", ColumnType::Int8},
    {"p99_us", ColumnType::Int8},
    {"max_us", ColumnType::Int8},
    {"wait_us", ColumnType::Int8},
    {"wait_percent", ColumnType::Int4},  // of waiting and running
    {"bytes_in", ColumnType::Int8},
    {"bytes_out", ColumnType::Int8},
    {"preparations", ColumnType::Int8},
    {"last_error"},
    {"first_seen", ColumnType::Time},
    {"last_seen", ColumnType::Time},
    {"query"},
};

constexpr ResultColumn kSlowColumns[] = {
    {"time", ColumnType::Time},
    {"duration_us", ColumnType::Int8},
    {"wait_us", ColumnType::Int8},
    {"database"},
    {"user"},
    {"application_name"},
    {"client_addr"},
    {"client"},  // as `ptr` of SHOW CLIENTS
    {"server_pid", ColumnType::Int4},
    {"rows", ColumnType::Int8},
    {"bytes_out", ColumnType::Int8},
    {"error"},  // SQLSTATE, or `abandoned`
    {"digest"},
    {"query"},
};

constexpr ResultColumn kQueriesTotalsColumns[] = {
    {"name"},
    {"value", ColumnType::Int8},
};

Cell digest_cell(uint64_t digest) {
    if (digest == 0) return {};
    return fmt::format("{:016x}", digest);
}

Cell sqlstate_cell(const std::array<char, 5>& sqlstate) {
    if (sqlstate[0] == 0) return {};
    return std::string(sqlstate.data(), sqlstate.size());
}

uint64_t percent(uint64_t part, uint64_t whole) {
    return whole == 0 ? 0 : (part * 100 + whole / 2) / whole;
}

Cells query_row(Inspector& inspector, const QueryStats& stats, uint64_t all_us) {
    const uint64_t requests = stats.calls + stats.preparations;
    return {stats.database,
            stats.user,
            digest_cell(stats.digest),
            stats.calls,
            stats.errors,
            stats.rows,
            stats.total_us,
            percent(stats.total_us, all_us),
            requests == 0 ? 0 : stats.total_us / requests,
            std::min(stats.latency.quantile_us(0.50), stats.max_us),
            std::min(stats.latency.quantile_us(0.95), stats.max_us),
            std::min(stats.latency.quantile_us(0.99), stats.max_us),
            stats.max_us,
            stats.wait_us,
            percent(stats.wait_us, stats.wait_us + stats.total_us),
            stats.bytes_in,
            stats.bytes_out,
            stats.preparations,
            sqlstate_cell(stats.last_error),
            local_time(inspector, stats.first_seen),
            local_time(inspector, stats.last_seen),
            stats.query};
}

void show_queries(const ShowInput& input, CommandOutcome& outcome) {
    const InsightSnapshot& insight = *input.insight;
    uint64_t all_us = insight.others.total_us;
    for (const QueryStats& stats : insight.queries)
        all_us += stats.total_us;
    for (const QueryStats& stats : insight.queries)
        outcome.rows.push_back(query_row(input.inspector, stats, all_us));
    if (insight.totals.evicted == 0) return;
    outcome.rows.push_back(query_row(input.inspector, insight.others, all_us));
    Cells& others = outcome.rows.back();
    others.front() = others[1] = Cell();
    others.back() = "(others)";
}

void show_slow(const ShowInput& input, CommandOutcome& outcome) {
    for (const SlowQuery& slow : input.insight->slow) {
        const LogPeer& client = slow.client;
        outcome.rows.push_back(
            {local_time(input.inspector, slow.ended), slow.duration_us, slow.wait_us,
             client.database, client.user, slow.application_name,
             client.is_unix ? "unix" : client.address(), fmt::format("{:#x}", client.id),
             slow.server_pid, slow.rows, slow.bytes_out,
             slow.is_abandoned && slow.sqlstate[0] == 0 ? Cell("abandoned")
                                                        : sqlstate_cell(slow.sqlstate),
             digest_cell(slow.digest), slow.query});
    }
}

void show_query_totals(const ShowInput& input, CommandOutcome& outcome) {
    const InsightTotals& totals = input.insight->totals;
    outcome.rows = {
        {"queries", totals.queries},         {"samples", totals.samples},
        {"samples_dropped", totals.dropped}, {"slow", totals.slow},
        {"texts_parsed", totals.parsed},     {"texts_unparsed", totals.unparsed},
        {"over_budget", totals.over_budget}, {"digests", totals.digests},
        {"digests_evicted", totals.evicted}, {"bytes", totals.bytes},
    };
}

}  // namespace

constinit const ShowSpec kShowQueries = {
    .topic = "QUERIES", .columns = kQueriesColumns, .fill = show_queries, .needs_insight = true};
constinit const ShowSpec kShowSlow = {
    .topic = "SLOW", .columns = kSlowColumns, .fill = show_slow, .needs_insight = true};
constinit const ShowSpec kShowQueryTotals = {.topic = "QUERY_TOTALS",
                                             .columns = kQueriesTotalsColumns,
                                             .fill = show_query_totals,
                                             .needs_insight = true};

}  // namespace weir
