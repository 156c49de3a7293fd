#include "conf/config.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "conf/limits.h"
#include "conf/words.h"
#include "protocol/auth/scram_crypto.h"

namespace weir {

namespace {

constexpr int kUnlimited = 0;

// The first of the candidates that is not kInherit; negative text in the file means "inherit" as
// well.
int first_set(std::initializer_list<int> candidates) {
    for (const int value : candidates) {
        if (value >= 0) return value;
    }
    return kUnlimited;
}

template <typename T>
T user_or(const Config& c, const std::string& user, std::optional<T> UserConfig::*field,
          T otherwise) {
    const UserConfig* entry = c.find_user(user);
    return entry == nullptr ? otherwise : (entry->*field).value_or(otherwise);
}

int user_size(const Config& c, const std::string& user, int UserConfig::*field) {
    const UserConfig* entry = c.find_user(user);
    return entry == nullptr ? kInherit : entry->*field;
}

}  // namespace

const char* to_string(PoolMode mode) {
    switch (mode) {
        case PoolMode::Session: return "session";
        case PoolMode::Transaction: return "transaction";
        case PoolMode::Statement: return "statement";
    }
    return "unknown";  // uncovered: every enumerator is above
}

const char* to_string(LoadBalanceHosts mode) {
    switch (mode) {
        case LoadBalanceHosts::RoundRobin: return "round-robin";
        case LoadBalanceHosts::Disable: return "disable";
    }
    return "unknown";  // uncovered: every enumerator is above
}

const char* to_string(BackendRole role) {
    return word_text(static_cast<int>(role), kBackendRoleWords);
}

const char* to_string(TargetSessionAttrs attrs) {
    return word_text(static_cast<int>(attrs), kTargetSessionAttrsWords);
}

const char* to_string(ReadYourWrites mode) {
    return word_text(static_cast<int>(mode), kReadYourWritesWords);
}

const char* to_string(SizingMode mode) {
    return word_text(static_cast<int>(mode), kSizingModeWords);
}

const char* to_string(LoadBalance method) {
    return word_text(static_cast<int>(method), kBalanceMethodWords);
}

std::optional<DatabaseConfig> Config::find_database(const std::string& name) const {
    if (const auto it = databases.find(name); it != databases.end()) return it->second;
    if (!wildcard_database || name.empty() || name.size() > kDatabaseNameBytesMax) return {};
    DatabaseConfig made = *wildcard_database;
    made.name = name;
    if (made.dbname.empty()) made.dbname = name;
    return made;
}

const UserConfig* Config::find_user(const std::string& name) const {
    const auto it = users.find(name);
    return it == users.end() ? nullptr : &it->second;
}

const std::string* Config::find_secret(const std::string& name) const {
    const auto it = secrets.find(name);
    return it == secrets.end() ? nullptr : &it->second;
}

PoolMode effective_pool_mode(const Config& c, const DatabaseConfig& db, const std::string& user) {
    return user_or(c, user, &UserConfig::pool_mode, db.pool_mode.value_or(c.global.pool_mode));
}

int effective_pool_size(const Config& c, const DatabaseConfig& db, const std::string& user) {
    return first_set(
        {user_size(c, user, &UserConfig::pool_size), db.pool_size, c.global.default_pool_size});
}

int effective_min_pool_size(const Config& c, const DatabaseConfig& db) {
    return first_set({db.min_pool_size, c.global.min_pool_size});
}

int effective_reserve_pool_size(const Config& c, const DatabaseConfig& db,
                                const std::string& user) {
    return first_set({user_size(c, user, &UserConfig::reserve_pool_size), db.reserve_pool_size,
                      c.global.reserve_pool_size});
}

int effective_max_db_connections(const Config& c, const DatabaseConfig& db) {
    return first_set({db.max_db_connections, c.global.max_db_connections});
}

int effective_max_db_client_connections(const Config& c, const DatabaseConfig& db) {
    return first_set({db.max_db_client_connections, c.global.max_db_client_connections});
}

int effective_max_user_connections(const Config& c, const std::string& user) {
    return first_set(
        {user_size(c, user, &UserConfig::max_user_connections), c.global.max_user_connections});
}

int effective_max_user_client_connections(const Config& c, const std::string& user) {
    return first_set({user_size(c, user, &UserConfig::max_user_client_connections),
                      c.global.max_user_client_connections});
}

Duration effective_query_wait_timeout(const Config& c, const DatabaseConfig& db,
                                      const std::string& user) {
    return user_or(c, user, &UserConfig::query_wait_timeout,
                   db.query_wait_timeout.value_or(c.global.query_wait_timeout));
}

Duration effective_query_timeout(const Config& c, const std::string& user) {
    return user_or(c, user, &UserConfig::query_timeout, c.global.query_timeout);
}

Duration effective_idle_transaction_timeout(const Config& c, const std::string& user) {
    return user_or(c, user, &UserConfig::idle_transaction_timeout,
                   c.global.idle_transaction_timeout);
}

Duration effective_transaction_timeout(const Config& c, const std::string& user) {
    return user_or(c, user, &UserConfig::transaction_timeout, c.global.transaction_timeout);
}

Duration effective_client_idle_timeout(const Config& c, const std::string& user) {
    return user_or(c, user, &UserConfig::client_idle_timeout, c.global.client_idle_timeout);
}

Duration effective_server_lifetime(const Config& c, const DatabaseConfig& db) {
    return db.server_lifetime.value_or(c.global.server_lifetime);
}

TargetWord target_session_attrs_word(const Config& c, const DatabaseConfig& db,
                                     const std::string& user) {
    const UserConfig* entry = c.find_user(user);
    if (entry != nullptr && entry->target_session_attrs)
        return {*entry->target_session_attrs, WordOf::User};
    if (db.target_session_attrs) return {*db.target_session_attrs, WordOf::Database};
    return {c.global.target_session_attrs, WordOf::Default};
}

TargetSessionAttrs effective_target_session_attrs(const Config& c, const DatabaseConfig& db,
                                                  const std::string& user) {
    return target_session_attrs_word(c, db, user).wanted;
}

SizingMode effective_pool_sizing(const Config& c, const DatabaseConfig& db) {
    return db.pool_sizing.value_or(c.global.pool_sizing);
}

LoadBalance effective_load_balance(const Config& c, const DatabaseConfig& db) {
    if (db.load_balance) return *db.load_balance;
    // As libpq does: hosts in the order given.
    if (db.load_balance_hosts == LoadBalanceHosts::Disable) return LoadBalance::First;
    return c.global.load_balance;
}

bool effective_read_write_split(const Config& c, const DatabaseConfig& db) {
    return db.read_write_split.value_or(c.global.read_write_split);
}

const std::string& effective_zone(const Config& c, const DatabaseConfig& db) {
    return db.zone ? *db.zone : c.global.zone;
}

bool is_routed(const Config& c, const DatabaseConfig& db) {
    if (db.has_named_backends) return true;
    if (db.backends.size() < 2) return false;
    if (db.load_balance || db.target_session_attrs || effective_read_write_split(c, db))
        return true;
    const GlobalConfig defaults;
    return c.global.load_balance != defaults.load_balance ||
           c.global.target_session_attrs != defaults.target_session_attrs;
}

void Config::add_to_digest(std::string_view change) {
    std::string text = digest;
    text += change;
    digest.clear();
    for (const uint8_t byte : sha256(as_bytes(text)))
        digest += fmt::format("{:02x}", byte);
}

}  // namespace weir
