#include "conf/diff.h"

#include <algorithm>
#include <set>

#include "conf/option_table.h"

namespace weir {

namespace {

using DatabaseMap = std::map<std::string, DatabaseConfig>;

DatabaseMap all_databases(const Config& config) {
    DatabaseMap all = config.databases;
    if (config.wildcard_database) all.insert_or_assign("*", *config.wildcard_database);
    return all;
}

void compare_databases(const DatabaseMap& from, const DatabaseMap& to, ConfigDelta& delta) {
    for (const auto& [name, before] : from) {
        const auto it = to.find(name);
        if (it == to.end()) {
            delta.databases_removed.push_back(name);
        } else if (needs_new_servers(before, it->second)) {
            delta.databases_recycled.push_back(name);
        } else if (before != it->second) {
            delta.databases_adjusted.push_back(name);
        }
    }
    for (const auto& [name, after] : to) {
        if (from.count(name) == 0) delta.databases_added.push_back(name);
    }
}

void compare_users(const Config& from, const Config& to, ConfigDelta& delta) {
    for (const auto& [name, before] : from.users) {
        const UserConfig* after = to.find_user(name);
        if (after == nullptr || *after != before) delta.users_changed.push_back(name);
    }
    for (const auto& [name, after] : to.users) {
        if (from.find_user(name) == nullptr) delta.users_changed.push_back(name);
    }
    std::sort(delta.users_changed.begin(), delta.users_changed.end());
}

void compare_rate_limits(const Config& from, const Config& to, ConfigDelta& delta) {
    std::set<std::string> names;
    for (const auto& [name, limit] : from.rate_limits)
        names.insert(name);
    for (const auto& [name, limit] : to.rate_limits)
        names.insert(name);
    for (const std::string& name : names) {
        if (fate_of_rate_limit(from, to, name) == RateLimitFate::Kept) continue;
        delta.rate_limits_changed.push_back(name);
    }
}

// Any change of a plain list of hosts ends all connections of the database's one pool. Backends by
// name have a pool each: only those of backends that are gone end.
bool leads_elsewhere(const DatabaseConfig& from, const DatabaseConfig& to) {
    if (from.has_named_backends && to.has_named_backends) return false;
    if (from.backends.empty() || to.backends.empty()) {  // not from the loader
        return from.hosts != to.hosts || from.port != to.port;
    }
    const auto is_in = [](const BackendConfig& one, const std::vector<BackendConfig>& all) {
        return std::any_of(all.begin(), all.end(), [&one](const BackendConfig& other) {
            return is_same_endpoint(one, other);
        });
    };
    const auto is_gone = [&](const BackendConfig& one) { return !is_in(one, to.backends); };
    const auto is_new = [&](const BackendConfig& one) { return !is_in(one, from.backends); };
    return std::any_of(from.backends.begin(), from.backends.end(), is_gone) ||
           std::any_of(to.backends.begin(), to.backends.end(), is_new);
}

}  // namespace

bool ConfigDelta::empty() const {
    return databases_added.empty() && databases_removed.empty() && databases_recycled.empty() &&
           databases_adjusted.empty() && users_changed.empty() && rate_limits_changed.empty() &&
           !secrets_changed && !peers_changed && options.empty() && needs_restart.empty();
}

bool needs_new_servers(const DatabaseConfig& from, const DatabaseConfig& to) {
    return from.dbname != to.dbname || leads_elsewhere(from, to) || from.user != to.user ||
           from.connect_query != to.connect_query || from.auth_dbname != to.auth_dbname ||
           from.auth_query != to.auth_query || from.load_balance_hosts != to.load_balance_hosts;
}

ConfigDelta diff(const Config& from, const Config& to) {
    ConfigDelta delta;
    compare_databases(all_databases(from), all_databases(to), delta);
    compare_users(from, to, delta);
    compare_rate_limits(from, to, delta);
    delta.secrets_changed = from.secrets != to.secrets;
    delta.peers_changed = from.peers != to.peers;
    for (const Option& option : option_table()) {
        if (option.alias_of != nullptr) continue;
        if (is_same_value(option, from.global, to.global)) continue;
        delta.options.push_back({std::string(option.name),
                                 option_text(from.global, option).value_or(""),
                                 option_text(to.global, option).value_or("")});
    }
    delta.needs_restart = to.needs_restart;
    return delta;
}

DatabaseFate fate_of_database(const Config& from, const Config& to, const std::string& name) {
    const std::optional<DatabaseConfig> before = from.find_database(name);
    const std::optional<DatabaseConfig> after = to.find_database(name);
    if (!after) return DatabaseFate::Removed;
    if (!before || needs_new_servers(*before, *after)) return DatabaseFate::Recycled;
    return *before == *after ? DatabaseFate::Kept : DatabaseFate::Adjusted;
}

RateLimitFate fate_of_rate_limit(const Config& from, const Config& to, const std::string& name) {
    const auto before = from.rate_limits.find(name);
    const auto after = to.rate_limits.find(name);
    if (after == to.rate_limits.end()) return RateLimitFate::Removed;
    if (before == from.rate_limits.end()) return RateLimitFate::Added;
    if (before->second == after->second) return RateLimitFate::Kept;
    return keeps_counts(before->second, after->second) ? RateLimitFate::Adjusted
                                                       : RateLimitFate::Restarted;
}

}  // namespace weir
