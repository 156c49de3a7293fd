// SHOW LISTS and SHOW MEM: how many of everything, and what it takes.
#include <algorithm>
#include <set>

#include "admin/console/show_specs.h"
#include "proxy/session/client_session.h"

namespace weir {

namespace {

constexpr ResultColumn kListsColumns[] = {{"list"}, {"items", ColumnType::Int4}};

constexpr ResultColumn kMemColumns[] = {
    {"name"},
    {"size", ColumnType::Int4},  // bytes of one
    {"used", ColumnType::Int4},
    {"free", ColumnType::Int4},
    {"memtotal", ColumnType::Int4},
};

struct Census {
    size_t pools = 1;  // the console's
    size_t servers = 0;
    size_t clients_login = 0;
    size_t clients_used = 0;
    uint64_t client_slots = 0;
    uint64_t client_slots_free = 0;
    uint64_t buffered_bytes = 0;
    uint64_t statements = 0;
    uint64_t statement_bytes = 0;
};

Census take_census(const ShowInput& input) {
    Census census;
    std::set<const PoolGroup*> listed;
    input.inspector.pools().for_each_pool([&](Pool& pool) {
        const Pool::Counts counts = pool.counts();
        census.servers += counts.idle + counts.leased + counts.opening;
        if (is_listed(pool, counts)) listed.insert(&pool.group());
    });
    census.pools += listed.size();
    for (const WorkerSnapshot& worker : input.workers) {
        const auto logins = std::count_if(worker.clients.begin(), worker.clients.end(),
                                          [](const ClientRow& row) { return row.is_login; });
        census.clients_login += static_cast<size_t>(logins);
        census.clients_used += worker.clients.size();  // those logging in among them
        census.client_slots += worker.client_slots_used;
        census.client_slots_free += worker.client_slots - worker.client_slots_used;
        census.buffered_bytes += worker.buffered_bytes;
        census.statements += worker.statements;
        census.statement_bytes += worker.statement_bytes;
    }
    return census;
}

void show_lists(const ShowInput& input, CommandOutcome& outcome) {
    const Census census = take_census(input);
    const std::vector<HostTable::Row> hosts = input.inspector.dns_hosts();
    const auto lookups = std::count_if(hosts.begin(), hosts.end(),
                                       [](const HostTable::Row& row) { return row.is_asked; });
    outcome.rows = {
        {"databases", listed_databases(input).size() + 1},
        {"users", listed_users(input).size()},
        {"peers", input.config->peers.size()},
        {"pools", census.pools},
        {"peer_pools", input.config->peers.size()},
        {"free_clients", census.client_slots_free},
        {"used_clients", census.clients_used},
        {"login_clients", census.clients_login},
        {"free_servers", 0},  // a pool keeps its slots to itself
        {"used_servers", census.servers},
        {"dns_names", hosts.size()},
        {"dns_zones", input.inspector.dns_zones().size()},
        {"dns_queries", lookups},
        {"dns_pending", 0},  // a lookup begins at once
    };
}

void show_mem(const ShowInput& input, CommandOutcome& outcome) {
    const Census census = take_census(input);
    const auto add = [&outcome](const char* name, uint64_t size, uint64_t used, uint64_t free) {
        outcome.rows.push_back({name, size, used, free, size * (used + free)});
    };
    add("user_cache", sizeof(UserState), listed_users(input).size(), 0);
    add("db_cache", sizeof(DatabaseState), listed_databases(input).size() + 1, 0);
    add("pool_cache", sizeof(Pool), census.pools, 0);
    add("server_cache", sizeof(ServerConnection), census.servers, 0);
    add("client_cache", sizeof(ClientSession), census.client_slots, census.client_slots_free);
    add("iobuf_cache", 1, census.buffered_bytes, 0);  // in bytes
    outcome.rows.push_back({"statement_cache",
                            census.statements == 0 ? 0 : census.statement_bytes / census.statements,
                            census.statements, 0, census.statement_bytes});
}

}  // namespace

constinit const ShowSpec kShowLists = {
    .topic = "LISTS", .columns = kListsColumns, .fill = show_lists, .needs_workers = true};
constinit const ShowSpec kShowMem = {
    .topic = "MEM", .columns = kMemColumns, .fill = show_mem, .needs_workers = true};

}  // namespace weir
