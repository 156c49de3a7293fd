// SHOW DATABASES: the entries of [databases], what `*` has made of names, and the console.
#include <algorithm>
#include <set>

#include "admin/console/show_specs.h"
#include "conf/value.h"

namespace weir {

namespace {

constexpr ResultColumn kDatabasesColumns[] = {
    {"name"},
    {"host"},
    {"port", ColumnType::Int4},
    {"database"},
    {"force_user"},
    {"pool_size", ColumnType::Int4},
    {"min_pool_size", ColumnType::Int4},
    {"reserve_pool_size", ColumnType::Int4},
    {"server_lifetime", ColumnType::Int4},
    {"pool_mode"},
    {"load_balance_hosts"},
    {"max_connections", ColumnType::Int4},
    {"current_connections", ColumnType::Int4},
    {"max_client_connections", ColumnType::Int4},
    {"current_client_connections", ColumnType::Int4},
    {"paused", ColumnType::Int4},
    {"disabled", ColumnType::Int4},
};

int64_t seconds(Duration duration) {
    return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

Cells database_row(const Config& config, const DatabaseConfig& database,
                   const DatabaseState* state) {
    // The sizes of the entry itself: nobody has an empty name.
    const std::string nobody;
    Cell hosts;
    if (!database.hosts.empty()) hosts = join_list(database.hosts);
    Cell load_balance_hosts;
    if (database.hosts.size() > 1) load_balance_hosts = to_string(database.load_balance_hosts);
    Cell pool_mode;
    if (database.pool_mode) pool_mode = to_string(*database.pool_mode);
    return {database.name,
            hosts,
            database.port,
            database.dbname,
            database.user,
            effective_pool_size(config, database, nobody),
            effective_min_pool_size(config, database),
            effective_reserve_pool_size(config, database, nobody),
            seconds(effective_server_lifetime(config, database)),
            pool_mode,
            load_balance_hosts,
            effective_max_db_connections(config, database),
            state == nullptr ? 0 : state->servers.used(),
            effective_max_db_client_connections(config, database),
            state == nullptr ? 0 : state->clients.used(),
            state != nullptr && state->paused.load(),
            state != nullptr && state->disabled.load()};
}

Cells console_row(const ShowInput& input) {
    constexpr int kConsolePoolSize = 2;  // PgBouncer's figure
    const GlobalConfig& global = input.config->global;
    return {kConsoleDatabase,
            {},
            global.listen_port,
            kConsoleDatabase,
            kConsoleDatabase,
            kConsolePoolSize,
            global.min_pool_size,
            global.reserve_pool_size,
            seconds(global.server_lifetime),
            to_string(PoolMode::Statement),
            {},
            std::max(global.max_db_connections, 0),
            0,
            std::max(global.max_db_client_connections, 0),
            input.consoles,
            false,
            false};
}

void show_databases(const ShowInput& input, CommandOutcome& outcome) {
    bool is_console_shown = false;
    const auto show_console = [&] {
        if (!is_console_shown) outcome.rows.push_back(console_row(input));
        is_console_shown = true;
    };
    for (const DatabaseConfig& database : listed_databases(input)) {
        if (database.name > kConsoleDatabase) show_console();
        outcome.rows.push_back(database_row(*input.config, database,
                                            input.inspector.pools().find_database(database.name)));
    }
    show_console();
}

}  // namespace

constinit const ShowSpec kShowDatabases = {
    .topic = "DATABASES", .columns = kDatabasesColumns, .fill = show_databases};

std::vector<DatabaseConfig> listed_databases(const ShowInput& input) {
    const Config& config = *input.config;
    std::set<std::string> names;
    for (const auto& [name, database] : config.databases)
        names.insert(name);
    input.inspector.pools().for_each_database([&names](const DatabaseState& state) {
        if (!state.removed.load()) names.insert(state.name);
    });
    std::vector<DatabaseConfig> databases;
    for (const std::string& name : names) {
        if (auto database = config.find_database(name)) databases.push_back(std::move(*database));
    }
    return databases;
}

}  // namespace weir
