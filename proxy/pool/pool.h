// Pool: the ledger of the connections to one backend for one (database, user), and of who waits for
// them. A plain database has one pool for each user, a routed one a pool for each of its backends
// besides (see PoolGroup).
//
// Locking rules
//   - One mutex per pool guards all members below `mutex_`, the `owner` word and idle hook of its
//     connections, and its waiters. It is a leaf lock: nothing else is locked and nobody is called
//     under it.
//   - Every method is short, does no I/O, and allocates only to make a new slot. It returns a
//     verdict that the caller carries out after unlocking.
//   - Counts: idle + leased + opening <= limit, checked at every reservation. A connection that is
//     told to go stays leased until its process has ended.
//   - Waiting is first come first served over all workers, but for fifo_slack: nobody takes an idle
//     connection past a waiter.
//
// Thread: any.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "conf/config.h"
#include "health/endpoint.h"
#include "health/peak_ewma.h"
#include "proxy/limits/cap.h"
#include "proxy/pool/login_ramp.h"
#include "proxy/pool/size_control.h"
#include "proxy/pool/waiter.h"
#include "proxy/pool/wake_list.h"
#include "proxy/server/server_connection.h"
#include "proxy/stats/counters.h"

namespace weir {

class PoolGroup;

// Fair shares of max_db_connections as they stand now, see ShareKeeper, which writes it.
struct ShareState {
    // Somebody below a fair share waits and all is in use: whoever has theirs opens nothing.
    std::atomic<bool> is_contended{false};
    // Connections that pools above their share are to give back.
    std::atomic<int> owed{0};
    bool take_owed() {
        int left = owed.load(std::memory_order_relaxed);
        while (left > 0) {
            if (owed.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) return true;
        }
        return false;
    }
    // The control thread's:
    Instant split_at;
    Instant turned_at;
    uint64_t turn = 0;  // who gets the odd units
    bool is_in_force = false;
    bool is_weighed = false;  // in the round that is under way
};

// What the clients and servers of one database entry (or of one user) share.
struct DatabaseState {
    std::string name;
    Cap servers;  // max_db_connections
    ShareState shares;
    Cap clients;                          // max_db_client_connections
    std::atomic<bool> paused{false};      // PAUSE or KILL of this one
    std::atomic<bool> all_paused{false};  // PAUSE without a name; see PoolSet::pause_all
    std::atomic<bool> disabled{false};
    std::atomic<bool> removed{false};
    std::atomic<bool> is_opening_held{false};  // nothing new is opened, for a while
    // Counts what we have seen to change its tables and types: of statements prepared before, a
    // client that prepares one afterwards must not be given the old one.
    std::atomic<uint32_t> schema{0};
    // PoolSet's, under its mutex:
    bool is_automatic = false;  // made from the `*` entry
    bool is_active = false;     // see PoolSet::take_active(); control thread's
    bool has_gone = false;      // pools that are no more have counted something
    PoolTotals gone;            // what they have counted

    // New work waits.
    [[nodiscard]] bool is_paused() const {
        return paused.load(std::memory_order_relaxed) || all_paused.load(std::memory_order_relaxed);
    }
};
struct UserState {
    std::string name;
    Cap servers;  // max_user_connections
    Cap clients;  // max_user_client_connections
};
// What all pools of one backend share, whatever their database and user.
struct BackendState {
    std::string name;
    Cap servers;  // max_connections
};

// What the ledger needs of the configuration; replaced by configure().
struct PoolSettings {
    int size = 20;  // 0 = unlimited
    int size_min = 0;
    int reserve = 0;
    Duration reserve_timeout = Duration(0);
    Duration lifetime = Duration(0);
    Duration idle_timeout = Duration(0);
    SizingMode sizing = SizingMode::Demand;
    Duration login_retry = Duration(0);
    int login_burst = 32;
    Duration fifo_slack =
        Duration(0);  // how much later than the first a local waiter may have come
    bool round_robin = false;
    bool has_forced_user = false;
    bool is_session_pooling = false;  // whoever has a connection keeps it
};

struct PoolKey {
    std::string database;
    std::string user;  // forced user, else the client's
    friend auto operator<=>(const PoolKey&, const PoolKey&) = default;
};

// Where the connections of one pool lead. Both are null for the one pool of a plain database.
struct PoolTarget {
    BackendState* backend = nullptr;
    Endpoint* endpoint = nullptr;
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
    // `group` and `target` outlive it; `seed` is of its jitter.
    Pool(PoolGroup& group, const PoolTarget& target, DatabaseConfig database, unsigned workers,
         uint64_t seed = 1);
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
        // To be closed by the worker that it is leased to: it makes room for a dedicated one.
        ServerConnection* evicted = nullptr;
        uint64_t evicted_id = 0;
    };
    // A connection for the session behind `waiter`, which asked for one at `since`, or a place in
    // the queue for it. `open` may be another worker's to open, see its owner.
    Acquired acquire(Waiter& waiter, WorkerId me, Instant now, Instant since);
    Acquired acquire(Waiter& waiter, WorkerId me, Instant now) {
        return acquire(waiter, me, now, now);
    }

    // ---- dedicated connections ----
    //
    // A waiter that wants_dedicated gets a connection opened for it alone, by its own worker
    // (`ServerConnection::reserved_for` is told), which is never idle and serves nobody else. It
    // waits in the queue until that has logged in, counts like any other, and takes the room of an
    // idle one.

    // `server`, opened for `waiter`, has logged in: it is leased to `me`, and the wait is over.
    // False: it is not wanted any more, and the caller is to close it.
    [[nodiscard]] bool begin_dedicated(ServerConnection& server, Waiter& waiter, WorkerId me,
                                       Instant now);
    // Opened before the last recycle(). The connection is the caller's, or the mutex is held.
    [[nodiscard]] bool is_obsolete(const ServerConnection& server) const {
        return server.epoch != epoch_.load(std::memory_order_relaxed);
    }
    // How many of those there still are.
    [[nodiscard]] size_t obsolete() const;
    // It was recycled while it had dedicated ones, which never come back by themselves; said once.
    [[nodiscard]] bool take_obsolete_note() {
        return has_obsolete_.exchange(false, std::memory_order_relaxed);
    }

    // The servers refused a credential that is no longer used: log-ins may be tried at once.
    void forget_refusals();

    // Takes `waiter` out of the queue. False when it is not in it (a grant is on its way).
    bool leave(Waiter& waiter, Instant now);

    struct Released {
        enum class Kind : uint8_t { Idle, Granted, MustClose } kind = Kind::Idle;
        Grant grant;
        ServerConnection* open = nullptr;
        const char* reason = "";  // of MustClose
    };
    // A clean, leased connection comes back; `is_new` when it has just logged in. MustClose: it is
    // still the caller's, to be closed and then given to retire().
    Released release(ServerConnection& server, WorkerId me, Instant now, bool is_new);

    // The caller has closed a connection that it owned (Opening or Leased); the slot becomes free.
    // `failure` when it never got to work. Gives a slot to open in its place, if somebody waits.
    struct Retired {
        ServerConnection* open = nullptr;
        // Waiters to be told `failure` (their server is null). A routed pool gives back all of
        // them when it has no connection left: there may be another backend for them.
        std::vector<Grant> failed;
        bool relieves = false;  // a shared limit has room again that others wait for
    };
    Retired retire(ServerConnection& server, WorkerId me, Instant now,
                   const std::optional<Error>& failure);

    // The home worker wants to read from an idle connection: true = it is leased to `me` now.
    bool take_idle(ServerConnection& server, uint16_t generation, WorkerId me);
    // Takes the least recently used idle connection (for eviction), leased to `me`; null when there
    // is none.
    ServerConnection* take_lru_idle(WorkerId me, Instant* idle_since);
    // Idle connections past their time, or logged in before their server was promoted, leased to
    // `me` for closing, and why.
    struct Expired {
        ServerConnection* server = nullptr;
        const char* reason = "";
    };
    void take_expired(WorkerId me, Instant now, std::vector<Expired>& out);
    void take_all_idle(WorkerId me, std::vector<ServerConnection*>& out);
    // Those to one of these addresses of `host`, idle ones leased to `me`; those in use are marked,
    // to be closed when they come back.
    void take_gone(const std::string& host, const std::vector<std::string>& ips, WorkerId me,
                   std::vector<ServerConnection*>& out);
    // It has no connection, and the last login has failed.
    [[nodiscard]] bool is_unreachable() const;
    // With this; nothing unless it is unreachable.
    [[nodiscard]] std::optional<Error> why_unreachable() const;
    // One login shall be tried although nobody waits for it, when the back-off allows it: whoever
    // sends no more clients until it is reachable would wait for ever. Nothing unless it is
    // unreachable.
    void ask_for_trial();
    // A slot to open for min_pool_size, for a trial, or for those who wait, reserved for worker
    // `opener`; null = none.
    ServerConnection* want_open(WorkerId opener, Instant now);

    // The connection is the caller's, or the mutex is held: it says that its server is a hot
    // standby while that is judged the primary, so one of the two is out of date.
    [[nodiscard]] bool is_of_a_standby(const ServerConnection& server) const;
    // The caller's connection, or slot to be opened, is for worker `to` to go on with.
    void hand_over(ServerConnection& server, WorkerId to);
    // The caller's connection is about to be closed: its units of shared limits will come free.
    void announce_leaving(ServerConnection& server);

    // ---- hand-over to another process (proxy/takeover) ----

    // A slot for a connection that another process has opened, over the limits if need be; whose it
    // is. The caller fills in the rest before any other thread is there. Idle ones: coldest first.
    // `is_old`: to be closed when it comes back. `dedicated_to`: its session, if it serves one
    // alone.
    ServerConnection& adopt(LedgerState state, WorkerId worker, bool is_old, ClientId dedicated_to);
    // It need not be closed when it comes back.
    [[nodiscard]] bool is_current(const ServerConnection& server) const;
    // The connection, Leased, Opening or Idle, is another process's; the caller has closed its
    // copy.
    void forget(ServerConnection& server);

    // RESUME: an idle connection for the first waiter, if both are there.
    std::optional<Grant> match_waiter(Instant now);
    // Takes every waiter out of the queue.
    std::vector<Grant> take_waiters(Instant now);

    // ---- whether the control thread has to look at it, see WakeList ----

    // `wakes` outlives it; before it is used.
    void set_wakes(WakeList& wakes) { wakes_ = &wakes; }
    // Something about it has changed that its own methods do not see: a client of its group came or
    // left. Thread: any.
    void wake();
    // Nothing is under way. True: it sleeps, until `due`, if that is not never.
    [[nodiscard]] bool may_sleep(Instant now, Instant* due);
    // No connection and nobody who waits for one.
    [[nodiscard]] bool is_vacant() const;
    Instant alarm;  // the WakeList's

    // ---- its size (control thread, but for note_capacity_signal) ----

    // Takes a sample of its use and computes target and ceiling, once per second.
    void resize(Instant now);
    // A login of its has failed in a way that asks for fewer connections. Thread: any.
    void note_capacity_signal() { capacity_signals_.fetch_add(1, std::memory_order_relaxed); }
    struct SizeView {
        SizingMode mode = SizingMode::Demand;
        uint32_t in_use = 0, idle = 0, waiting = 0, opening = 0;
        uint32_t target = 0, ceiling = 0;  // SizeControl::kUnlimited and more = none
        int min = 0, max = 0;              // max 0 = none
        std::optional<int> share;          // of max_db_connections
        uint32_t burst = 0, failures = 0;
        Instant retry_at;  // never unless failing
    };
    [[nodiscard]] SizeView size_view() const;

    // ---- its fair share (control thread) ----

    struct ShareClaim {
        uint32_t wanted = 0;  // of late, without pinned ones
        uint32_t pinned = 0;  // leased in session pooling
        uint32_t max = 0;     // 0 = none
        bool is_used = false;
    };
    [[nodiscard]] ShareClaim share_claim(Instant now);
    void set_share(std::optional<int> share);
    // How many connections it could open at once if it got the units: up to one or its share,
    // whichever is more, and up to its share alone.
    struct ShareNeed {
        size_t modest = 0;
        size_t owed = 0;
    };
    [[nodiscard]] ShareNeed share_need(Instant now) const;
    // Its share, or one connection, is there; shares are in force.
    [[nodiscard]] bool has_share() const;
    // It has no more than its share; shares are in force.
    [[nodiscard]] bool is_within_share() const;
    // It may open nothing for others' sake.
    [[nodiscard]] bool must_yield() const;

    void configure(const PoolSettings& settings, const DatabaseConfig& database);
    // Connections opened before now are closed when they come back.
    void recycle();
    // The configuration no longer has this backend: nothing is opened, what comes back is closed.
    void set_removed(bool is_removed);
    [[nodiscard]] bool is_removed() const { return is_removed_.load(std::memory_order_relaxed); }
    // Removed, or its backend is drained or shut by the operator: no connection is kept.
    [[nodiscard]] bool is_out_of_service() const;
    [[nodiscard]] DatabaseConfig database() const;
    // Which of the `count` entries of the host list is next: in turn, or as load_balance_hosts
    // says; one that could not be reached lately comes last.
    size_t next_host(size_t count, Instant now);

    struct Counts {
        size_t idle = 0;
        size_t leased = 0;
        size_t opening = 0;
        size_t waiting = 0;
        Instant oldest_wait;
        bool is_failing = false;
    };
    [[nodiscard]] Counts counts() const;

    // Who stands in its queue, first come first; look-ups of secrets, too.
    struct Queued {
        ClientId client;
        uint64_t ticket = 0;
        Instant since;
    };
    [[nodiscard]] std::vector<Queued> queue() const;
    // Why the first of them has no connection and none is opened for it: the option or the order
    // that stands in the way, or `login`, when it is on its way.
    struct Obstacle {
        const char* what = "";
        std::string detail;
    };
    [[nodiscard]] Obstacle obstacle(Instant now) const;
    // What it takes, with the slots of its connections.
    [[nodiscard]] size_t memory_bytes() const;

    // The ledger checked against itself: what it counts, and what a walk over its slots and lists
    // finds, all at one moment; and to whom it has lent what.
    struct Lent {
        const ServerConnection* server = nullptr;
        uint64_t owner = 0;  // its owner word
    };
    struct Audit {
        Counts counts;
        size_t idle = 0, leased = 0, opening = 0, free = 0;  // by the owner words of the slots
        size_t listed_idle = 0, listed_free = 0;             // in the lists
        std::vector<Lent> lent;                              // leased or opening
    };
    [[nodiscard]] Audit audit() const;

    // Calls fn(const ServerConnection&) for every idle connection, under the mutex: only read, only
    // quickly.
    template <typename Fn>
    void for_each_idle(Fn&& fn) const {
        const std::lock_guard lock(mutex_);
        for (const auto& slot : slots_) {
            if (slot->load_owner().state == LedgerState::Idle) fn(*slot);
        }
    }

    PoolGroup& group() { return group_; }
    [[nodiscard]] const PoolKey& key() const;
    DatabaseState& database_state() { return database_state_; }
    UserState& user_state() { return user_state_; }
    // Limits that it shares with other pools: of its database, user, backend.
    [[nodiscard]] std::span<Cap* const> shared_caps() const { return {caps_.data(), cap_count_}; }
    [[nodiscard]] bool are_others_starved() const;
    // The server as health sees it; null for a plain database, which nobody judges.
    [[nodiscard]] Endpoint* endpoint() const { return endpoint_; }
    // The last login failed.
    [[nodiscard]] bool is_failing() const {
        return retry_at_us_.load(std::memory_order_relaxed) != 0;
    }
    // It did, and the next one still has to wait.
    [[nodiscard]] bool is_backing_off(Instant now) const {
        return now.us < retry_at_us_.load(std::memory_order_relaxed);
    }
    std::vector<PoolCounters>& counters() { return counters_; }
    [[nodiscard]] const std::vector<PoolCounters>& counters() const { return counters_; }
    // What peak_ewma goes by: one for each worker, its alone.
    std::vector<PeakEwma>& latencies() { return latencies_; }
    std::atomic<int> spilled{0};  // reads here for want of a replica, waiting or served

  private:
    [[nodiscard]] Counts counts_locked() const;
    [[nodiscard]] bool is_unreachable_locked() const;
    void wake_locked();
    [[nodiscard]] bool is_below_min() const;
    [[nodiscard]] Instant next_due();
    using IdleList = IntrusiveList<ServerConnection, IdleHook>;
    static constexpr int kLookAhead = 16;  // of waiters, under the mutex

    // Holds the mutex; at its end tells the endpoint how much of it is in use.
    class Guard {
      public:
        explicit Guard(Pool& pool) : lock_(pool.mutex_), pool_(pool) {}
        ~Guard() {
            if (pool_.endpoint_ != nullptr) pool_.publish_outstanding();
        }
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;

      private:
        const std::lock_guard<std::mutex> lock_;
        Pool& pool_;
    };

    [[nodiscard]] size_t total() const { return idle_count_ + leased_ + opening_; }
    [[nodiscard]] size_t staying() const { return total() - leaving_; }
    [[nodiscard]] bool is_paused() const { return database_state_.is_paused(); }
    [[nodiscard]] bool has_room(Instant now) const;
    [[nodiscard]] Obstacle obstacle_of_size() const;
    [[nodiscard]] std::optional<Obstacle> obstacle_of_caps() const;
    void publish_outstanding();
    // A unit of every shared limit, or null; else the limit that is reached.
    Cap* reserve_shared();
    void release_shared();
    void enqueue(Waiter& waiter, Instant now, Instant since);
    void take_waiters(std::vector<Grant>& out, Instant now);
    [[nodiscard]] uint32_t in_use() const;
    [[nodiscard]] size_t size_limit() const;
    [[nodiscard]] bool is_within_share_locked() const;
    [[nodiscard]] bool must_yield_locked() const;
    [[nodiscard]] size_t modest_share() const { return static_cast<size_t>(std::max(share_, 1)); }
    [[nodiscard]] bool is_wanted_elsewhere() const;
    bool is_above_ceiling();
    bool gives_back_for_others(ServerConnection& server);
    void mark_leaving(ServerConnection& server);
    void take_old(WorkerId me, Instant now, std::vector<Expired>& out);
    void take_unused(WorkerId me, Instant now, std::vector<Expired>& out);
    [[nodiscard]] uint32_t count_unused(Instant now);
    [[nodiscard]] bool is_unused(const ServerConnection& server, Instant now) const;
    // It could not be reached; true when there is another one that may be.
    bool note_dead_host(size_t host, Instant now);
    void set_owner(ServerConnection& server, LedgerState state, WorkerId worker);
    ServerConnection* pop_idle(WorkerId me);
    ServerConnection* oldest_idle();
    void lease_idle(ServerConnection& server, WorkerId home, WorkerId me);
    ServerConnection* reserve_slot(WorkerId opener, bool* is_starved);
    ServerConnection& take_slot();
    ServerConnection* open_for_waiters(WorkerId opener, Instant now, bool* is_starved);
    Grant grant_to(Waiter& waiter, ServerConnection& server, Instant now);
    Waiter& next_waiter(WorkerId me);
    Waiter& first_shared_waiter();
    void forget_waiter(Waiter& waiter);
    [[nodiscard]] size_t shared_waiting() const { return waiters_.size() - dedicated_waiting_; }
    Waiter* next_to_open_for();
    [[nodiscard]] bool is_full(Instant now) const;
    [[nodiscard]] bool lacks_room_for_dedicated(Instant now) const;
    bool makes_room_for_dedicated(Instant now, bool is_new);
    void evict_for_dedicated(Instant now, Acquired& out);
    [[nodiscard]] bool is_expired(const ServerConnection& server, Instant now) const;

    PoolGroup& group_;
    DatabaseState& database_state_;
    UserState& user_state_;
    Endpoint* const endpoint_;
    std::array<Cap*, 3> caps_{};
    size_t cap_count_ = 0;
    std::vector<PoolCounters> counters_;  // one per worker
    std::vector<PeakEwma> latencies_;
    std::atomic<int64_t> retry_at_us_{0};  // 0 = the last login was good
    std::atomic<bool> is_removed_{false};
    std::atomic<bool> has_obsolete_{false};
    std::atomic<uint32_t> capacity_signals_{0};  // since the last sample

    WakeList* wakes_ = nullptr;

    mutable std::mutex mutex_;
    bool is_awake_ = false;
    DatabaseConfig database_;
    PoolSettings settings_;
    std::vector<std::unique_ptr<ServerConnection>> slots_;
    std::vector<uint32_t> free_slots_;
    std::vector<IdleList> idle_;  // per home worker, most recently used first
    IntrusiveList<Waiter, Waiter> waiters_;
    size_t idle_count_ = 0;
    size_t leased_ = 0;
    size_t opening_ = 0;
    size_t leaving_ = 0;            // of leased_ and opening_: on their way out
    size_t dedicated_waiting_ = 0;  // of waiters_
    size_t dedicated_leased_ = 0;   // of leased_
    size_t dedicated_opening_ = 0;  // of opening_
    uint64_t last_ticket_ = 0;
    std::atomic<uint64_t> epoch_{1};  // written under the mutex
    size_t host_cursor_ = 0;
    std::vector<Instant> host_dead_until_;  // empty until a host of several has failed
    LoginRamp ramp_;
    SizeControl sizing_;
    Prng random_;
    static constexpr int kNoShare = -1;
    int share_ = kNoShare;
    std::optional<Error> last_failure_;
    bool is_trial_wanted_ = false;
    Instant last_lifetime_close_;
    int32_t told_in_use_ = 0;  // to the endpoint
    int32_t told_waiting_ = 0;
};

}  // namespace weir
