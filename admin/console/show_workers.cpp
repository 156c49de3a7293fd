// SHOW WORKERS: what each worker has and has done, and what the thread that drives it has used.
#include <algorithm>

#include "admin/console/show_specs.h"

namespace weir {

namespace {

constexpr ResultColumn kWorkersColumns[] = {
    {"worker", ColumnType::Int4},         {"thread", ColumnType::Int4},
    {"clients", ColumnType::Int4},        {"logins", ColumnType::Int4},
    {"waiting", ColumnType::Int4},        {"servers", ColumnType::Int4},  // leased or being opened
    {"cpu_ms", ColumnType::Int8},         {"transactions", ColumnType::Int8},
    {"queries", ColumnType::Int8},        {"bytes_received", ColumnType::Int8},
    {"bytes_sent", ColumnType::Int8},     {"inbox", ColumnType::Int8},
    {"buffered_bytes", ColumnType::Int8}, {"statements", ColumnType::Int8},
};

void show_workers(const ShowInput& input, CommandOutcome& outcome) {
    std::vector<PoolTotals> totals(input.workers.size());
    input.inspector.pools().for_each_pool([&totals](Pool& pool) {
        const std::vector<PoolCounters>& counters = pool.counters();
        for (size_t i = 0; i < std::min(totals.size(), counters.size()); ++i)
            totals[i].add(counters[i]);
    });
    for (size_t i = 0; i < input.workers.size(); ++i) {
        const WorkerSnapshot& worker = input.workers[i];
        const auto count = [&worker](auto is_counted) {
            return std::count_if(worker.clients.begin(), worker.clients.end(), is_counted);
        };
        outcome.rows.push_back(
            {i, worker.thread, worker.clients.size(),
             count([](const ClientRow& row) { return row.is_login; }),
             count([](const ClientRow& row) { return row.waits_for != WaitReason::Nothing; }),
             worker.servers.size(), worker.cpu_us / 1000, totals[i].transactions, totals[i].queries,
             totals[i].bytes_received, totals[i].bytes_sent, worker.inbox, worker.buffered_bytes,
             worker.statements});
    }
}

}  // namespace

constinit const ShowSpec kShowWorkers = {
    .topic = "WORKERS", .columns = kWorkersColumns, .fill = show_workers, .needs_workers = true};

}  // namespace weir
