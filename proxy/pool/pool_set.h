// PoolSet: every pool, in groups by (database, user), and the states that pools share (per
// database, user, backend). They are made on the first login, and their addresses are stable.
//
// Groups that nobody uses are forgotten after pool_idle_timeout, and databases made from the `*`
// entry with all of theirs after autodb_idle_timeout: bury_idle() takes them out, so that nobody
// finds them any more, and destroy_buried() frees them when every worker has long done with what it
// had at hand. Who holds one counts in PoolGroup::clients, which enter() raises under the mutex, or
// has one of its connections. All others live as long as the process.
//
// Thread: any; one mutex, taken at login, on reload and for SHOW, never for a query.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

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
    // The same for a client that is counted from here on in it, and in the limits of the database
    // and of `client_user`; PoolGroup::leave() and the limits' release() end that. Errors: the
    // database is disabled, or one of the limits is reached (08P01).
    Result<PoolGroup*> enter(const Config& config, const DatabaseConfig& database,
                             const std::string& client_user, const std::string& server_user);
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
    // The same for those of one database.
    template <typename Fn>
    void for_each_pool_of(const std::string& database, Fn&& fn) {
        const std::lock_guard lock(mutex_);
        for (auto it = groups_.lower_bound(PoolKey{database, ""});
             it != groups_.end() && it->first.database == database; ++it) {
            for (auto& [target, pool] : it->second.pools)
                fn(*pool);
        }
    }
    // Those that have something under way, see WakeList. Thread: control.
    [[nodiscard]] WakeList& wakes() { return wakes_; }

    // Of the databases that something was done for: which ones since the last call. Thread:
    // control.
    void note_active(DatabaseState& database) {
        if (database.is_active) return;
        database.is_active = true;
        active_.push_back(&database);
    }
    std::vector<const DatabaseState*> take_active();

    // Takes out the group when it has been idle for as long as it may. False when somebody has
    // come. Thread: control.
    bool bury_idle(PoolGroup& group, Instant now);
    // Something was buried before `before`, and can be freed when all workers have answered since.
    [[nodiscard]] bool has_buried(Instant before) const;
    void destroy_buried(Instant before);

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

    // What the groups without series of their own have counted that were buried. Thread: control.
    [[nodiscard]] const PoolRecord& gone_without_series() const { return gone_without_series_; }

    // PAUSE and RESUME without a name: for the databases that are here, and those to come. Each has
    // it at hand, where every transaction looks.
    void pause_all(bool is_paused);
    [[nodiscard]] bool are_all_paused() const { return are_all_paused_.load(); }

    Cap clients;  // max_client_conn
    std::atomic<bool> has_fair_shares{true};

  private:
    // A group and the pools it has ever had, by the address of the backend; empty = plain.
    struct Entry {
        std::unique_ptr<PoolGroup> group;
        std::map<std::string, std::unique_ptr<Pool>> pools;
        bool is_sketch = false;  // nobody looks after its pools
    };

    struct Buried {
        Instant at;
        Entry entry;
        std::unique_ptr<DatabaseState> database;  // null: it stays
    };

    PoolGroup& group_locked(const Config& config, const DatabaseConfig& database,
                            const std::string& user);
    [[nodiscard]] bool has_groups(const std::string& database) const;
    void drop_automatic(const std::string& name, std::unique_ptr<DatabaseState>& into);
    void configure_group(Entry& entry, const Config& config, const DatabaseConfig& database);
    Pool& pool_locked(Entry& entry, const BackendConfig* backend, const DatabaseConfig& database);
    BackendState& backend_locked(const BackendConfig& backend);
    DatabaseState& database_locked(const Config& config, const DatabaseConfig& database);
    UserState& user_locked(const Config& config, const std::string& name);
    static PoolSettings settings_of(const Config& config, const DatabaseConfig& database,
                                    const std::string& user);

    const unsigned workers_;
    EndpointTable& endpoints_;
    PoolRecord gone_without_series_;  // the control thread's
    WakeList wakes_;
    std::vector<Buried> buried_;          // control thread's
    std::vector<DatabaseState*> active_;  // the same
    std::atomic<bool> are_all_paused_{false};
    std::mutex mutex_;
    int series_used_ = 0;  // groups that have series of their own
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
