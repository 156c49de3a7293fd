// Pool: the ledger of the connections for one (database, user), and of who waits for them.
//
// Locking rules
//   - One mutex per pool guards all members below `mutex_`, the `owner` word and idle hook of its
//     connections, and its waiters. It is a leaf lock: nothing else is locked and nobody is called
//     under it.
//   - Every method is short, does no I/O, and allocates only to make a new slot. It returns a
//   verdict that
//     the caller carries out after unlocking.
//   - Counts: idle + leased + opening <= limit, checked at every reservation. A connection that is
//     told to go stays leased until its process has ended.
//   - Waiting is first come first served over all workers, but for fifo_slack: nobody takes an idle
//     connection past a waiter.
//
// Thread: any.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "health/login_backoff.h"
#include "proxy/limits/cap.h"
#include "proxy/pool/waiter.h"
#include "proxy/server/credentials.h"
#include "proxy/server/server_connection.h"
#include "proxy/stats/counters.h"

namespace weir {

// What the clients and servers of one database entry (or of one user) share.
struct DatabaseState {
    std::string name;
    Cap servers;  // max_db_connections
    Cap clients;  // max_db_client_connections
    std::atomic<bool> paused{false};
    std::atomic<bool> disabled{false};
    std::atomic<bool> removed{false};
};
struct UserState {
    std::string name;
    Cap servers;  // max_user_connections
    Cap clients;  // max_user_client_connections
};

// What the ledger needs of the configuration; replaced by configure().
struct PoolSettings {
    int size = 20;  // 0 = unlimited
    int size_min = 0;
    int reserve = 0;
    Duration reserve_timeout = Duration(0);
    Duration lifetime = Duration(0);
    Duration idle_timeout = Duration(0);
    Duration login_retry = Duration(0);
    int login_burst = 32;
    Duration fifo_slack =
        Duration(0);  // how much later than the first a local waiter may have come
    bool round_robin = false;
    bool has_forced_user = false;
};

struct PoolKey {
    std::string database;
    std::string user;  // forced user, else the client's
    friend auto operator<=>(const PoolKey&, const PoolKey&) = default;
};

// A connection for a waiter: to be delivered to that client's worker.
struct Grant {
    ClientId client;
    uint64_t ticket = 0;
    ServerConnection* server = nullptr;
    Instant waiting_since;
};

class Pool {
  public:
    Pool(PoolKey key, DatabaseConfig database, DatabaseState& database_state, UserState& user_state,
         unsigned workers);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    struct Acquired {
        ServerConnection* server = nullptr;  // yours now; registered with `home`
        WorkerId home = kNoWorker;
        bool is_queued = false;
        ServerConnection* open = nullptr;  // start to connect this slot
        bool is_starved = false;           // a shared limit is in the way: see PoolSet::relieve
        std::optional<Error> refused;      // the server is down: tell the client
    };
    // A connection for the session behind `waiter`, or a place in the queue for it.
    Acquired acquire(Waiter& waiter, WorkerId me, Instant now);

    // Takes `waiter` out of the queue. False when it is not in it (a grant is on its way).
    bool leave(Waiter& waiter);

    struct Released {
        enum class Kind : uint8_t { Idle, Granted, MustClose } kind = Kind::Idle;
        Grant grant;
        ServerConnection* open = nullptr;
    };
    // A clean, leased connection comes back; `is_new` when it has just logged in. MustClose: it is
    // still the caller's, to be closed and then given to retire().
    Released release(ServerConnection& server, WorkerId me, Instant now, bool is_new);

    // The caller has closed a connection that it owned (Opening or Leased); the slot becomes free.
    // `failure` when it never got to work. Gives a slot to open in its place, if somebody waits.
    struct Retired {
        ServerConnection* open = nullptr;
        std::vector<Grant> failed;  // waiters to be told `failure` (their server is null)
        bool relieves = false;      // a shared limit has room again that others wait for
    };
    Retired retire(ServerConnection& server, WorkerId me, Instant now,
                   const std::optional<Error>& failure);

    // The home worker wants to read from an idle connection: true = it is leased to `me` now.
    bool take_idle(ServerConnection& server, uint16_t generation, WorkerId me);
    // Takes the least recently used idle connection (for eviction), leased to `me`; null when there
    // is none.
    ServerConnection* take_lru_idle(WorkerId me, Instant* idle_since);
    // Idle connections past their time, leased to `me` for closing, and why.
    struct Expired {
        ServerConnection* server = nullptr;
        const char* reason = "";
    };
    void take_expired(WorkerId me, Instant now, std::vector<Expired>& out);
    void take_all_idle(WorkerId me, std::vector<ServerConnection*>& out);
    // A slot to open for min_pool_size or for those who wait, reserved for worker `opener`; null =
    // none.
    ServerConnection* want_open(WorkerId opener, Instant now);

    // The caller's connection, or slot to be opened, is for worker `to` to go on with.
    void hand_over(ServerConnection& server, WorkerId to);
    // The caller's connection is about to be closed: its units of shared limits will come free.
    void announce_leaving(ServerConnection& server);

    // RESUME: an idle connection for the first waiter, if both are there.
    std::optional<Grant> match_waiter(Instant now);
    // Takes every waiter out of the queue.
    std::vector<Grant> take_waiters();

    void configure(const PoolSettings& settings, const DatabaseConfig& database);
    // Connections opened before now are closed when they come back.
    void recycle();
    void set_credentials(ServerCredentials credentials);
    [[nodiscard]] ServerCredentials credentials() const;
    [[nodiscard]] DatabaseConfig database() const;
    void set_welcome(const Welcome& welcome, std::shared_ptr<const Welcome>& shared);
    [[nodiscard]] std::shared_ptr<const Welcome> welcome() const;
    // Which entry of the host list is next: in turn, or as load_balance_hosts says.
    size_t next_host();

    struct Counts {
        size_t idle = 0;
        size_t leased = 0;
        size_t opening = 0;
        size_t waiting = 0;
        Instant oldest_wait;
        bool is_failing = false;
    };
    [[nodiscard]] Counts counts() const;
    // Calls fn(const ServerConnection&) for every idle connection, under the mutex: only read, only
    // quickly.
    template <typename Fn>
    void for_each_idle(Fn&& fn) const {
        const std::lock_guard lock(mutex_);
        for (const auto& slot : slots_) {
            if (slot->load_owner().state == LedgerState::Idle) fn(*slot);
        }
    }

    const PoolKey& key() const { return key_; }
    DatabaseState& database_state() { return database_state_; }
    UserState& user_state() { return user_state_; }
    std::atomic<int> clients{0};  // sessions that use this pool
    std::vector<PoolCounters>& counters() { return counters_; }

  private:
    using IdleList = IntrusiveList<ServerConnection, IdleHook>;
    static constexpr int kLookAhead = 16;  // of waiters, under the mutex

    [[nodiscard]] size_t total() const { return idle_count_ + leased_ + opening_; }
    [[nodiscard]] size_t staying() const { return total() - leaving_; }
    [[nodiscard]] bool is_paused() const {
        return database_state_.paused.load(std::memory_order_relaxed);
    }
    [[nodiscard]] bool has_room(Instant now) const;
    void set_owner(ServerConnection& server, LedgerState state, WorkerId worker);
    ServerConnection* pop_idle(WorkerId me);
    ServerConnection* oldest_idle();
    void lease_idle(ServerConnection& server, WorkerId home, WorkerId me);
    ServerConnection* reserve_slot(WorkerId opener, bool* is_starved);
    ServerConnection* open_for_waiters(WorkerId opener, Instant now, bool* is_starved);
    Grant grant_to(Waiter& waiter, ServerConnection& server);
    Waiter& next_waiter(WorkerId me);
    [[nodiscard]] bool is_expired(const ServerConnection& server, Instant now) const;

    const PoolKey key_;
    DatabaseState& database_state_;
    UserState& user_state_;
    std::vector<PoolCounters> counters_;  // one per worker

    mutable std::mutex mutex_;
    DatabaseConfig database_;
    PoolSettings settings_;
    ServerCredentials credentials_;
    std::shared_ptr<const Welcome> welcome_;
    std::vector<std::unique_ptr<ServerConnection>> slots_;
    std::vector<uint32_t> free_slots_;
    std::vector<IdleList> idle_;  // per home worker, most recently used first
    IntrusiveList<Waiter, Waiter> waiters_;
    size_t idle_count_ = 0;
    size_t leased_ = 0;
    size_t opening_ = 0;
    size_t leaving_ = 0;  // of leased_ and opening_: on their way out
    uint64_t last_ticket_ = 0;
    uint64_t epoch_ = 1;
    size_t host_cursor_ = 0;
    LoginBackoff backoff_;
    std::optional<Error> last_failure_;
    Instant last_lifetime_close_;
};

}  // namespace weir
