#include "admin/explain/worst_case.h"

#include <algorithm>

#include "conf/backend_entries.h"

namespace weir {

namespace {

void add(std::vector<BackendLoad>& loads, const Config& config, const DatabaseConfig& database) {
    const long connections = worst_case_of(config, database);
    for (const BackendConfig& backend : database.backends) {
        const std::string endpoint = endpoint_name(backend);
        auto load = std::find_if(loads.begin(), loads.end(), [&endpoint](const BackendLoad& known) {
            return known.endpoint == endpoint;
        });
        if (load == loads.end()) {
            load = loads.insert(
                loads.end(),
                BackendLoad{backend.name, endpoint, 0, backend.max_connections, false, {}});
        }
        const bool is_limited = load->connections != kUnlimited && connections != kUnlimited;
        load->connections = is_limited ? load->connections + connections : kUnlimited;
        load->is_open_ended |= database.name == "*" || has_unknown_users(config, database);
        if (std::find(load->databases.begin(), load->databases.end(), database.name) ==
            load->databases.end()) {
            load->databases.push_back(database.name);
        }
    }
}

}  // namespace

long known_users(const Config& config) {
    return std::max<long>(1, static_cast<long>(config.secrets.size()));
}

bool has_unknown_users(const Config& config, const DatabaseConfig& database) {
    if (database.user) return false;
    const AuthType type = config.global.auth_type;
    return type == AuthType::Hba || type == AuthType::Pam || type == AuthType::Ldap ||
           !config.global.auth_user.empty() || database.auth_user.has_value();
}

long worst_case_of(const Config& config, const DatabaseConfig& database) {
    const std::string user = database.user.value_or("");
    const long size = effective_pool_size(config, database, user);
    const long limit = effective_max_db_connections(config, database);
    if (size == 0) return limit > 0 ? limit : kUnlimited;
    const long pools = database.user ? 1 : known_users(config);
    const long most = pools * (size + effective_reserve_pool_size(config, database, user));
    return limit > 0 ? std::min(most, limit) : most;
}

std::vector<BackendLoad> worst_case(const Config& config) {
    std::vector<BackendLoad> loads;
    for (const auto& [name, database] : config.databases)
        add(loads, config, database);
    if (config.wildcard_database) add(loads, config, *config.wildcard_database);
    for (BackendLoad& load : loads) {
        if (load.limit == 0) continue;
        const bool is_within = load.connections != kUnlimited && load.connections <= load.limit;
        if (!is_within) load.connections = load.limit;
        load.is_open_ended = false;
    }
    return loads;
}

}  // namespace weir
