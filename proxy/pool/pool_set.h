// PoolSet: every pool, in groups by (database, user), and the states that pools share (per
// database, user, backend). They are made on the first login and live as long as the process; their
// addresses are stable. Thread: any; one mutex, taken at login, on reload and for SHOW, never for a
// query.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "health/endpoint_table.h"
#include "proxy/pool/pool_group.h"

namespace weir {

class PoolSet {
  public:
    // `endpoints` outlives it; `seed` is of the pools' jitter.
    PoolSet(unsigned workers, EndpointTable& endpoints, uint64_t seed = 1)
        : workers_(workers), endpoints_(endpoints), random_(seed) {}

    // The pools of (database, user); made, and configured from `config`, when they are new.
    PoolGroup& find_or_create(const Config& config, const DatabaseConfig& database,
                              const std::string& user);
    DatabaseState& database(const Config& config, const DatabaseConfig& database);
    UserState& user(const Config& config, const std::string& name);
    // Null when nobody has used it yet.
    DatabaseState* find_database(const std::string& name);

    // Null when there is none.
    PoolGroup* find(const PoolKey& key);
    // What find_or_create() would make, for questions about a user who never came: nobody else sees
    // it, and it lasts as long as the caller keeps it.
    class Sketch;
    std::unique_ptr<Sketch> sketch(const Config& config, const DatabaseConfig& database,
                                   const std::string& user);

    // Applies a new configuration to every pool. Databases and pools that vanished are marked
    // removed.
    void configure(const Config& config);

    // Calls fn(Pool&) for every pool, those of one group one after the other.
    template <typename Fn>
    void for_each_pool(Fn&& fn) {
        const std::lock_guard lock(mutex_);
        for (auto& [key, entry] : groups_) {
            for (auto& [target, pool] : entry.pools)
                fn(*pool);
        }
    }
    template <typename Fn>
    void for_each_group(Fn&& fn) {
        const std::lock_guard lock(mutex_);
        for (auto& [key, entry] : groups_)
            fn(*entry.group);
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
    std::atomic<bool> are_all_paused{false};
    std::atomic<bool> has_fair_shares{true};

  private:
    // A group and the pools it has ever had, by the address of the backend; empty = plain.
    struct Entry {
        std::unique_ptr<PoolGroup> group;
        std::map<std::string, std::unique_ptr<Pool>> pools;
    };

    void configure_group(Entry& entry, const Config& config, const DatabaseConfig& database);
    Pool& pool_locked(Entry& entry, const BackendConfig* backend, const DatabaseConfig& database);
    BackendState& backend_locked(const BackendConfig& backend);
    DatabaseState& database_locked(const Config& config, const DatabaseConfig& database);
    UserState& user_locked(const Config& config, const std::string& name);
    static PoolSettings settings_of(const Config& config, const DatabaseConfig& database,
                                    const std::string& user);

    const unsigned workers_;
    EndpointTable& endpoints_;
    std::mutex mutex_;
    Prng random_;
    std::map<PoolKey, Entry> groups_;
    std::map<std::string, std::unique_ptr<DatabaseState>> databases_;
    std::map<std::string, std::unique_ptr<UserState>> users_;
    std::map<std::string, std::unique_ptr<BackendState>> backends_;  // by address
};

class PoolSet::Sketch {
  public:
    [[nodiscard]] const PoolMembers& members() const { return entry_.group->members(); }

  private:
    friend PoolSet;
    DatabaseState database_;
    UserState user_;
    Entry entry_;
};

}  // namespace weir
