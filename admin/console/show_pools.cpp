// SHOW POOLS: what the clients and servers of each (database, user) are at.
#include <algorithm>
#include <map>
#include <string_view>

#include "admin/console/show_specs.h"

namespace weir {

namespace {

constexpr ResultColumn kPoolsColumns[] = {
    {"database"},
    {"user"},
    {"cl_active", ColumnType::Int4},
    {"cl_waiting", ColumnType::Int4},
    {"cl_active_cancel_req", ColumnType::Int4},
    {"cl_waiting_cancel_req", ColumnType::Int4},
    {"sv_active", ColumnType::Int4},
    {"sv_active_cancel", ColumnType::Int4},
    {"sv_being_canceled", ColumnType::Int4},
    {"sv_idle", ColumnType::Int4},
    {"sv_used", ColumnType::Int4},
    {"sv_tested", ColumnType::Int4},
    {"sv_login", ColumnType::Int4},
    {"maxwait", ColumnType::Int4},
    {"maxwait_us", ColumnType::Int4},
    {"pool_mode"},
    {"load_balance_hosts"},
};

struct PoolRow {
    size_t clients_active = 0;  // linked or idle
    size_t clients_waiting = 0;
    size_t clients_active_cancel = 0;
    size_t clients_waiting_cancel = 0;
    size_t servers_active = 0;
    size_t servers_active_cancel = 0;
    size_t servers_being_canceled = 0;
    size_t servers_idle = 0;
    size_t servers_used = 0;
    size_t servers_tested = 0;
    size_t servers_login = 0;
    Duration wait_max = Duration(0);
    Cell pool_mode;
    Cell load_balance_hosts;
};
using PoolTable = std::map<PoolKey, PoolRow>;

PoolKey console_key() {
    return {kConsoleDatabase, kConsoleDatabase};
}

void count_client(PoolTable& pools, const ClientRow& client) {
    if (client.is_login) return;
    const auto found =
        pools.find(client.is_console ? console_key() : PoolKey{client.database, client.pool_user});
    if (found == pools.end()) return;
    PoolRow& figures = found->second;
    const std::string_view state = client.state;
    if (state == "waiting") {
        ++figures.clients_waiting;
    } else if (state == "active_cancel_req") {
        ++figures.clients_active_cancel;
    } else if (state == "waiting_cancel_req") {
        ++figures.clients_waiting_cancel;
    } else {
        ++figures.clients_active;
    }
}

// Of the leased servers (of which the ledger knows only how many) those that do not serve a client
// now.
void count_server(PoolTable& pools, const ServerRow& server) {
    const auto found = pools.find(PoolKey{server.database, server.user});
    if (found == pools.end()) return;
    PoolRow& figures = found->second;
    const std::string_view state = server.state;
    if (state == "tested") {
        ++figures.servers_tested;
    } else if (state == "being_canceled") {
        ++figures.servers_being_canceled;
    } else if (state == "active_cancel") {
        ++figures.servers_active_cancel;
    }
}

// The snapshots are a moment older than the ledger: what they say is bounded by what the ledger
// has.
void settle_active(PoolRow& figures, size_t leased) {
    for (size_t* special : {&figures.servers_tested, &figures.servers_being_canceled,
                            &figures.servers_active_cancel}) {
        *special = std::min(*special, leased);
        leased -= *special;
    }
    figures.servers_active = leased;
}

void add_pool(PoolTable& pools, std::map<PoolKey, size_t>& leased, const ShowInput& input,
              Pool& pool) {
    const Pool::Counts counts = pool.counts();
    if (!is_listed(pool, counts)) return;
    const Config& config = *input.config;
    const DatabaseConfig database = pool.database();
    const Instant now = input.inspector.now();
    PoolRow& figures = pools[pool.key()];  // of all backends
    pool.for_each_idle([&](const ServerConnection& server) {
        ++(is_check_due(server, config.global, now) ? figures.servers_used : figures.servers_idle);
    });
    figures.servers_login += counts.opening;
    if (!counts.oldest_wait.is_never() && counts.oldest_wait < now) {
        figures.wait_max = std::max(figures.wait_max, now - counts.oldest_wait);
    }
    figures.pool_mode = to_string(effective_pool_mode(config, database, pool.key().user));
    if (database.hosts.size() > 1) {
        figures.load_balance_hosts = to_string(database.load_balance_hosts);
    }
    leased[pool.key()] += counts.leased;
}

Cells row_of(const PoolKey& key, const PoolRow& figures) {
    constexpr int64_t kUsPerSecond = 1'000'000;
    return {key.database,
            key.user,
            figures.clients_active,
            figures.clients_waiting,
            figures.clients_active_cancel,
            figures.clients_waiting_cancel,
            figures.servers_active,
            figures.servers_active_cancel,
            figures.servers_being_canceled,
            figures.servers_idle,
            figures.servers_used,
            figures.servers_tested,
            figures.servers_login,
            figures.wait_max.count() / kUsPerSecond,
            figures.wait_max.count() % kUsPerSecond,
            figures.pool_mode,
            figures.load_balance_hosts};
}

void show_pools(const ShowInput& input, CommandOutcome& outcome) {
    PoolTable pools;
    std::map<PoolKey, size_t> leased;
    input.inspector.pools().for_each_pool(
        [&](Pool& pool) { add_pool(pools, leased, input, pool); });
    pools[console_key()].pool_mode = to_string(PoolMode::Statement);
    for (const WorkerSnapshot& worker : input.workers) {
        for (const ClientRow& client : worker.clients)
            count_client(pools, client);
        for (const ServerRow& server : worker.servers)
            count_server(pools, server);
    }
    for (auto& [key, figures] : pools) {
        settle_active(figures, leased[key]);
        outcome.rows.push_back(row_of(key, figures));
    }
}

}  // namespace

constinit const ShowSpec kShowPools = {
    .topic = "POOLS", .columns = kPoolsColumns, .fill = show_pools, .needs_workers = true};

bool is_listed(Pool& pool, const Pool::Counts& counts) {
    const bool is_used = pool.group().clients.load() > 0 || counts.waiting > 0 ||
                         counts.idle + counts.leased + counts.opening > 0;
    return is_used || !pool.database_state().removed.load();
}

}  // namespace weir
