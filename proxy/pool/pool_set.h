// PoolSet: every pool by its key, and the states that pools share (per database, per user). Pools
// are made on the first login and live as long as the process; their addresses are stable. Thread:
// any; one mutex, taken at login, on reload and for SHOW, never for a query.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "proxy/pool/pool.h"

namespace weir {

class PoolSet {
  public:
    explicit PoolSet(unsigned workers) : workers_(workers) {}

    // The pool of (database, user); made, and configured from `config`, when it is new.
    Pool& find_or_create(const Config& config, const DatabaseConfig& database,
                         const std::string& user);
    DatabaseState& database(const Config& config, const DatabaseConfig& database);
    UserState& user(const Config& config, const std::string& name);
    // Null when nobody has used it yet.
    DatabaseState* find_database(const std::string& name);

    // Applies a new configuration to every pool. Databases that vanished are marked removed.
    void configure(const Config& config);

    template <typename Fn>
    void for_each_pool(Fn&& fn) {
        const std::lock_guard lock(mutex_);
        for (auto& [key, pool] : pools_)
            fn(*pool);
    }
    template <typename Fn>
    void for_each_database(Fn&& fn) {
        const std::lock_guard lock(mutex_);
        for (auto& [name, state] : databases_)
            fn(*state);
    }
    template <typename Fn>
    void for_each_user(Fn&& fn) {
        const std::lock_guard lock(mutex_);
        for (auto& [name, state] : users_)
            fn(*state);
    }

    Cap clients;  // max_client_conn

  private:
    DatabaseState& database_locked(const Config& config, const DatabaseConfig& database);
    UserState& user_locked(const Config& config, const std::string& name);
    static PoolSettings settings_of(const Config& config, const DatabaseConfig& database,
                                    const std::string& user);

    const unsigned workers_;
    std::mutex mutex_;
    std::map<PoolKey, std::unique_ptr<Pool>> pools_;
    std::map<std::string, std::unique_ptr<DatabaseState>> databases_;
    std::map<std::string, std::unique_ptr<UserState>> users_;
};

}  // namespace weir
