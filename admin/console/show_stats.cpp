// SHOW STATS and its variants: counters since the start, and averages of the last full
// stats_period.
#include "admin/console/show_specs.h"

namespace weir {

namespace {

constexpr ResultColumn numeric(std::string_view name) {
    return {name, ColumnType::Numeric};
}

constexpr ResultColumn kStatsColumns[] = {
    {"database"},
    numeric("total_server_assignment_count"),
    numeric("total_xact_count"),
    numeric("total_query_count"),
    numeric("total_received"),
    numeric("total_sent"),
    numeric("total_xact_time"),
    numeric("total_query_time"),
    numeric("total_wait_time"),
    numeric("total_client_parse_count"),
    numeric("total_server_parse_count"),
    numeric("total_bind_count"),
    numeric("total_client_login_count"),
    numeric("avg_server_assignment_count"),
    numeric("avg_xact_count"),
    numeric("avg_query_count"),
    numeric("avg_recv"),
    numeric("avg_sent"),
    numeric("avg_xact_time"),
    numeric("avg_query_time"),
    numeric("avg_wait_time"),
    numeric("avg_client_parse_count"),
    numeric("avg_server_parse_count"),
    numeric("avg_bind_count"),
    numeric("avg_client_login_count"),
};

constexpr ResultColumn kStatsTotalsColumns[] = {
    {"database"},
    numeric("server_assignment_count"),
    numeric("xact_count"),
    numeric("query_count"),
    numeric("bytes_received"),
    numeric("bytes_sent"),
    numeric("xact_time"),
    numeric("query_time"),
    numeric("wait_time"),
    numeric("client_parse_count"),
    numeric("server_parse_count"),
    numeric("bind_count"),
    numeric("client_login_count"),
};

constexpr ResultColumn kAveragesColumns[] = {
    {"database"},
    numeric("server_assignment_count"),
    numeric("xact_count"),
    numeric("query_count"),
    numeric("bytes_received"),
    numeric("bytes_sent"),
    numeric("xact_time"),
    numeric("query_time"),
    numeric("wait_time"),
    numeric("avg_client_parse_count"),
    numeric("avg_server_parse_count"),
    numeric("avg_bind_count"),
    numeric("avg_client_login_count"),
};

constexpr ResultColumn kListColumns[] = {{"name"}, numeric("value")};

// After `total_` and `avg_` in SHOW TOTALS; the order is that of kStatsCounters.
constexpr const char* kListNames[] = {
    "server_assignment_count",
    "xact_count",
    "query_count",
    "client_bytes",
    "server_bytes",
    "xact_time",
    "query_time",
    "wait_time",
    "ps_client_parse_count",
    "ps_server_parse_count",
    "ps_bind_count",
    "client_login_count",
};
static_assert(std::size(kListNames) == std::size(kStatsCounters));
static_assert(std::size(kStatsTotalsColumns) == 1 + std::size(kStatsCounters));
static_assert(std::size(kAveragesColumns) == 1 + std::size(kStatsCounters));
static_assert(std::size(kStatsColumns) == 1 + 2 * std::size(kStatsCounters));

void append(Cells& row, const PoolTotals& totals) {
    for (const StatsCounter& counter : kStatsCounters)
        row.push_back(totals.*counter.total);
}

void show_stats(const ShowInput& input, CommandOutcome& outcome) {
    for (const auto& [database, totals] : input.totals) {
        Cells row = {database};
        append(row, totals);
        append(row, input.history.average(database));
        outcome.rows.push_back(std::move(row));
    }
}

void show_stats_totals(const ShowInput& input, CommandOutcome& outcome) {
    for (const auto& [database, totals] : input.totals) {
        Cells row = {database};
        append(row, totals);
        outcome.rows.push_back(std::move(row));
    }
}

void show_stats_averages(const ShowInput& input, CommandOutcome& outcome) {
    for (const auto& [database, totals] : input.totals) {
        Cells row = {database};
        append(row, input.history.average(database));
        outcome.rows.push_back(std::move(row));
    }
}

void show_totals(const ShowInput& input, CommandOutcome& outcome) {
    const auto list = [&outcome](const std::string& prefix, const PoolTotals& totals) {
        for (size_t i = 0; i < std::size(kStatsCounters); ++i) {
            outcome.rows.push_back({prefix + kListNames[i], totals.*kStatsCounters[i].total});
        }
    };
    list("total_", sum_of(input.totals));
    list("avg_", input.history.average_of_all());
}

}  // namespace

constinit const ShowSpec kShowStats = {
    .topic = "STATS", .columns = kStatsColumns, .fill = show_stats};
constinit const ShowSpec kShowStatsTotals = {
    .topic = "STATS_TOTALS", .columns = kStatsTotalsColumns, .fill = show_stats_totals};
constinit const ShowSpec kShowStatsAverages = {
    .topic = "STATS_AVERAGES", .columns = kAveragesColumns, .fill = show_stats_averages};
constinit const ShowSpec kShowTotals = {
    .topic = "TOTALS", .columns = kListColumns, .fill = show_totals};

}  // namespace weir
