#include "proxy/pool/pool_set.h"

#include <algorithm>

namespace weir {

namespace {

constexpr int kRoutedLoginBurst = 8;  // log-ins under way, of each pool of a routed database

}  // namespace

PoolSettings PoolSet::settings_of(const Config& config, const DatabaseConfig& database,
                                  const std::string& user) {
    PoolSettings out;
    out.size = effective_pool_size(config, database, user);
    out.size_min = effective_min_pool_size(config, database);
    out.reserve = effective_reserve_pool_size(config, database, user);
    out.reserve_timeout = config.global.reserve_pool_timeout;
    out.lifetime = effective_server_lifetime(config, database);
    out.idle_timeout = config.global.server_idle_timeout;
    out.sizing = effective_pool_sizing(config, database);
    out.login_retry = config.global.server_login_retry;
    out.fifo_slack = std::chrono::microseconds(config.global.fifo_slack_us);
    out.login_burst = config.global.login_burst;
    // A server that comes back must not meet all at once who were held for it.
    if (is_routed(config, database)) out.login_burst = std::min(out.login_burst, kRoutedLoginBurst);
    out.round_robin = config.global.server_round_robin;
    out.has_forced_user = database.user.has_value();
    out.is_session_pooling = effective_pool_mode(config, database, user) == PoolMode::Session;
    return out;
}

PoolGroup& PoolSet::find_or_create(const Config& config, const DatabaseConfig& database,
                                   const std::string& user) {
    const std::lock_guard lock(mutex_);
    return group_locked(config, database, user);
}

PoolGroup& PoolSet::group_locked(const Config& config, const DatabaseConfig& database,
                                 const std::string& user) {
    Entry& entry = groups_[PoolKey{database.name, user}];
    if (entry.group == nullptr) {
        entry.group = std::make_unique<PoolGroup>(PoolKey{database.name, user},
                                                  database_locked(config, database),
                                                  user_locked(config, user));
        entry.group->has_series = series_used_ < config.global.metrics_pools_max;
        if (entry.group->has_series) ++series_used_;
        configure_group(entry, config, database);
    }
    return *entry.group;
}

Result<PoolGroup*> PoolSet::enter(const Config& config, const DatabaseConfig& database,
                                  const std::string& client_user, const std::string& server_user) {
    const std::lock_guard lock(mutex_);
    DatabaseState& state = database_locked(config, database);
    if (state.disabled.load())
        return fail("08P01", "database \"" + database.name + "\" is disabled");
    const auto no_more = [this, &database](const char* limit) {
        std::unique_ptr<DatabaseState> unused;
        drop_automatic(database.name, unused);  // it may have been made just now
        return fail("08P01", std::string("no more connections allowed (") + limit + ")");
    };
    if (!state.clients.try_reserve()) return no_more("max_db_client_connections");
    if (!user_locked(config, client_user).clients.try_reserve()) {
        state.clients.release();
        return no_more("max_user_client_connections");
    }
    PoolGroup& group = group_locked(config, database, server_user);
    group.clients.fetch_add(1, std::memory_order_relaxed);
    return &group;
}

// ---- groups that nobody uses ----

bool PoolSet::has_groups(const std::string& database) const {
    const auto first = groups_.lower_bound(PoolKey{database, ""});
    return first != groups_.end() && first->first.database == database;
}

// A database from the `*` entry without pools leaves no trace, unless orders hold for it.
void PoolSet::drop_automatic(const std::string& name, std::unique_ptr<DatabaseState>& into) {
    const auto found = databases_.find(name);
    if (found == databases_.end() || has_groups(name)) return;
    const DatabaseState& state = *found->second;
    if (!state.is_automatic || state.paused.load() || state.disabled.load()) return;
    if (state.clients.used() > 0 || state.servers.used() > 0) return;
    into = std::move(found->second);
    databases_.erase(found);
}

bool PoolSet::bury_idle(PoolGroup& group, Instant now) {
    const std::lock_guard lock(mutex_);
    const Instant end = group.idle_end();
    if (end.is_never() || now < end) return false;
    const auto found = groups_.find(group.key());
    WEIR_CHECK(found != groups_.end());
    for (const auto& [target, pool] : found->second.pools) {
        if (!pool->is_vacant()) return false;
    }
    DatabaseState& state = group.database_state();
    state.has_gone = true;
    for (const auto& [target, pool] : found->second.pools) {
        for (const PoolCounters& counters : pool->counters()) {
            state.gone.add(counters);
            if (!group.has_series) gone_without_series_.add(counters);
        }
        wakes_.forget(*pool);
    }
    if (group.has_series) --series_used_;
    Buried& buried = buried_.emplace_back();
    buried.at = now;
    buried.entry = std::move(found->second);
    groups_.erase(found);
    drop_automatic(group.key().database, buried.database);
    std::erase(active_, buried.database.get());
    return true;
}

std::vector<const DatabaseState*> PoolSet::take_active() {
    std::vector<const DatabaseState*> out;
    for (DatabaseState* database : active_) {
        database->is_active = false;
        out.push_back(database);
    }
    active_.clear();
    return out;
}

bool PoolSet::has_buried(Instant before) const {
    return !buried_.empty() && buried_.front().at < before;
}

void PoolSet::destroy_buried(Instant before) {
    std::erase_if(buried_, [before](Buried& buried) {
        if (buried.at >= before) return false;
        buried.entry.pools.clear();  // before the group and the database that they refer to
        buried.entry.group.reset();
        return true;
    });
}

namespace {

// The entry as the pool of one backend sees it.
DatabaseConfig only_backend(const DatabaseConfig& database, const BackendConfig& backend) {
    DatabaseConfig out = database;
    out.hosts = {backend.host};
    out.ports = {backend.port};
    out.port = backend.port;
    return out;
}

SelectionOptions selection_of(const Config& config, const DatabaseConfig& database) {
    SelectionOptions out;
    out.method = effective_load_balance(config, database);
    const bool has_zone = !effective_zone(config, database).empty();
    out.zone_spill_factor = has_zone ? config.global.zone_spill_factor : 0;
    return out;
}

}  // namespace

void PoolSet::configure_group(Entry& entry, const Config& config, const DatabaseConfig& database) {
    PoolGroup& group = *entry.group;
    Duration idle_limit = config.global.pool_idle_timeout;
    const Duration automatic = config.global.autodb_idle_timeout;
    if (group.database_state().is_automatic && automatic.count() > 0)
        idle_limit = idle_limit.count() > 0 ? std::min(idle_limit, automatic) : automatic;
    group.set_idle_limit(idle_limit);
    const PoolSettings settings = settings_of(config, database, group.key().user);
    auto members = std::make_unique<PoolMembers>();
    members->is_routed = is_routed(config, database);
    const auto add = [&](const BackendConfig* backend, const DatabaseConfig& narrowed) {
        Pool& pool = pool_locked(entry, backend, narrowed);
        pool.configure(settings, narrowed);
        PoolMember& member = members->list.emplace_back();
        member.pool = &pool;
        member.pool_size = static_cast<uint32_t>(std::max(settings.size, 0));
        if (backend == nullptr) return;
        const std::string& zone = effective_zone(config, database);
        member.weight = backend->weight;
        member.limit = static_cast<uint32_t>(backend->max_connections);
        member.is_local_zone = zone.empty() || backend->zone == zone;
    };
    if (members->is_routed) {
        members->selection = selection_of(config, database);
        members->splits_reads = effective_read_write_split(config, database);
        members->read_spill_percent = static_cast<uint32_t>(config.global.primary_read_spill);
        for (const BackendConfig& backend : database.backends)
            add(&backend, only_backend(database, backend));
    } else {
        add(nullptr, database);
    }
    // A plain database has nothing to choose.
    for (unsigned i = 0; members->is_routed && i < workers_; ++i) {
        members->views.push_back({Selector(members->selection, members->list.size()),
                                  std::vector<RoutePlace>(members->list.size()),
                                  std::vector<Candidate>(members->list.size())});
    }
    const auto is_member = [&members](const Pool& pool) {
        return std::any_of(members->list.begin(), members->list.end(),
                           [&pool](const PoolMember& member) { return member.pool == &pool; });
    };
    for (auto& [target, pool] : entry.pools)
        pool->set_removed(!is_member(*pool));
    group.set_members(std::move(members));
}

PoolGroup* PoolSet::find(const PoolKey& key) {
    const std::lock_guard lock(mutex_);
    const auto found = groups_.find(key);
    return found == groups_.end() ? nullptr : found->second.group.get();
}

std::unique_ptr<PoolSet::Sketch> PoolSet::sketch(const Config& config,
                                                 const DatabaseConfig& database,
                                                 const std::string& user) {
    const std::lock_guard lock(mutex_);
    auto made = std::make_unique<Sketch>();
    made->entry_.group =
        std::make_unique<PoolGroup>(PoolKey{database.name, user}, made->database_, made->user_);
    made->entry_.is_sketch = true;
    configure_group(made->entry_, config, database);
    return made;
}

Pool& PoolSet::pool_locked(Entry& entry, const BackendConfig* backend,
                           const DatabaseConfig& database) {
    PoolTarget target;
    std::string address;
    if (backend != nullptr) {
        target.backend = &backend_locked(*backend);
        target.endpoint = &endpoints_.obtain(backend->host, backend->port);
        address = target.endpoint->address();
    }
    std::unique_ptr<Pool>& pool = entry.pools[address];
    if (pool == nullptr) {
        pool = std::make_unique<Pool>(*entry.group, target, database, workers_, random_.next());
        if (!entry.is_sketch) pool->set_wakes(wakes_);
    }
    return *pool;
}

BackendState& PoolSet::backend_locked(const BackendConfig& backend) {
    const std::string address = endpoints_.obtain(backend.host, backend.port).address();
    std::unique_ptr<BackendState>& state = backends_[address];
    if (state == nullptr) {
        state = std::make_unique<BackendState>();
        state->name = backend.name;
    }
    state->servers.set_limit(backend.max_connections);
    return *state;
}

DatabaseState& PoolSet::database_locked(const Config& config, const DatabaseConfig& database) {
    std::unique_ptr<DatabaseState>& state = databases_[database.name];
    if (state == nullptr) {
        state = std::make_unique<DatabaseState>();
        state->all_paused.store(are_all_paused());
        state->name = database.name;
    }
    state->is_automatic = !config.databases.contains(database.name);
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

void PoolSet::pause_all(bool is_paused) {
    const std::lock_guard lock(mutex_);
    are_all_paused_.store(is_paused);
    for (auto& [name, state] : databases_)
        state->all_paused.store(is_paused);
}

void PoolSet::configure(const Config& config) {
    const std::lock_guard lock(mutex_);
    clients.set_limit(config.global.max_client_conn);
    has_fair_shares.store(config.global.fair_shares);
    for (auto& [name, state] : databases_) {
        const auto database = config.find_database(name);
        state->removed.store(!database.has_value());
        if (database) database_locked(config, *database);
    }
    for (auto& [name, state] : users_)
        user_locked(config, name);
    for (auto& [key, entry] : groups_) {
        const auto database = config.find_database(key.database);
        if (database) configure_group(entry, config, *database);
    }
}

}  // namespace weir
