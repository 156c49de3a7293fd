#include "proxy/pool/pool_set.h"

namespace weir {

PoolSettings PoolSet::settings_of(const Config& config, const DatabaseConfig& database,
                                  const std::string& user) {
    PoolSettings out;
    out.size = effective_pool_size(config, database, user);
    out.size_min = effective_min_pool_size(config, database);
    out.reserve = effective_reserve_pool_size(config, database, user);
    out.reserve_timeout = config.global.reserve_pool_timeout;
    out.lifetime = effective_server_lifetime(config, database);
    out.idle_timeout = config.global.server_idle_timeout;
    out.login_retry = config.global.server_login_retry;
    out.fifo_slack = std::chrono::microseconds(config.global.fifo_slack_us);
    out.login_burst = config.global.login_burst;
    out.round_robin = config.global.server_round_robin;
    out.has_forced_user = database.user.has_value();
    return out;
}

Pool& PoolSet::find_or_create(const Config& config, const DatabaseConfig& database,
                              const std::string& user) {
    const std::lock_guard lock(mutex_);
    PoolKey key{database.name, user};
    const auto found = pools_.find(key);
    if (found != pools_.end()) return *found->second;
    auto pool = std::make_unique<Pool>(key, database, database_locked(config, database),
                                       user_locked(config, user), workers_);
    pool->configure(settings_of(config, database, user), database);
    return *pools_.emplace(std::move(key), std::move(pool)).first->second;
}

DatabaseState& PoolSet::database_locked(const Config& config, const DatabaseConfig& database) {
    std::unique_ptr<DatabaseState>& state = databases_[database.name];
    if (state == nullptr) {
        state = std::make_unique<DatabaseState>();
        state->name = database.name;
    }
    state->servers.set_limit(effective_max_db_connections(config, database));
    state->clients.set_limit(effective_max_db_client_connections(config, database));
    return *state;
}

UserState& PoolSet::user_locked(const Config& config, const std::string& name) {
    std::unique_ptr<UserState>& state = users_[name];
    if (state == nullptr) {
        state = std::make_unique<UserState>();
        state->name = name;
    }
    state->servers.set_limit(effective_max_user_connections(config, name));
    state->clients.set_limit(effective_max_user_client_connections(config, name));
    return *state;
}

DatabaseState& PoolSet::database(const Config& config, const DatabaseConfig& database) {
    const std::lock_guard lock(mutex_);
    return database_locked(config, database);
}

UserState& PoolSet::user(const Config& config, const std::string& name) {
    const std::lock_guard lock(mutex_);
    return user_locked(config, name);
}

DatabaseState* PoolSet::find_database(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto found = databases_.find(name);
    return found == databases_.end() ? nullptr : found->second.get();
}

void PoolSet::configure(const Config& config) {
    const std::lock_guard lock(mutex_);
    clients.set_limit(config.global.max_client_conn);
    for (auto& [name, state] : databases_) {
        const auto database = config.find_database(name);
        state->removed.store(!database.has_value());
        if (database) database_locked(config, *database);
    }
    for (auto& [name, state] : users_)
        user_locked(config, name);
    for (auto& [key, pool] : pools_) {
        const auto database = config.find_database(key.database);
        if (!database) continue;
        pool->configure(settings_of(config, *database, key.user), *database);
    }
}

}  // namespace weir
