// PoolGroup: what all sessions of one (database, user) share: one pool for each backend, how to log
// in there, and what the servers say of themselves.
//
// A plain database (one server, or PgBouncer's list of equal hosts) has one pool that does it all.
// A routed one has a pool for each backend, and each transaction chooses one (proxy/routing). Its
// pool_size counts for each of them.
//
// Members are an immutable version, replaced as a whole on RELOAD: a worker reads it without a
// lock. Old versions are kept for as long as the group, since a worker may be looking at one; they
// are as few as the reloads that changed the backends. Lock: mutex_ guards credentials_ and
// welcomes_, for logins only. Owner: PoolSet; addresses are stable. Thread: any, but views.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "health/selection.h"
#include "proxy/pool/pool.h"
#include "proxy/routing/lsn_history.h"
#include "proxy/routing/route.h"
#include "proxy/routing/route_counters.h"
#include "proxy/server/credentials.h"

namespace weir {

// One backend of a group.
struct PoolMember {
    Pool* pool = nullptr;
    double weight = 1;          // configured
    uint32_t limit = 0;         // max_connections; 0 = none
    uint32_t pool_size = 0;     // of `pool`; 0 = unlimited
    bool is_local_zone = true;  // true for all where zones do not matter

    bool operator==(const PoolMember&) const = default;
};

// What a worker keeps to choose with; its alone.
struct RouteView {
    Selector selector;
    std::vector<RoutePlace> places;     // scratch, one for each member
    std::vector<Candidate> candidates;  // the same
    LsnHistory lsns{};                  // of the primary, for read_your_writes = lsn
    const Pool* lsns_of = nullptr;      // which is the primary
};

struct PoolMembers {
    bool is_routed = false;
    std::vector<PoolMember> list;  // never empty; order as configured
    SelectionOptions selection;
    uint32_t read_spill_percent = 0;
    bool splits_reads = false;             // read_write_split
    mutable std::vector<RouteView> views;  // one for each worker, when it is routed
};

class PoolGroup {
  public:
    PoolGroup(PoolKey key, DatabaseState& database_state, UserState& user_state)
        : key_(std::move(key)), database_state_(database_state), user_state_(user_state) {}
    PoolGroup(const PoolGroup&) = delete;
    PoolGroup& operator=(const PoolGroup&) = delete;

    [[nodiscard]] const PoolKey& key() const { return key_; }
    DatabaseState& database_state() { return database_state_; }
    UserState& user_state() { return user_state_; }

    // Metrics tell of it by name, and not with all others together; PoolSet decides it when the
    // group is made.
    bool has_series = false;

    // ---- who uses it ----

    std::atomic<int> clients{0};  // sessions that use it; see PoolSet::enter
    // One of them has gone.
    void leave(Instant now) {
        note_idle(now);
        if (clients.fetch_sub(1, std::memory_order_relaxed) == 1) first().wake();
    }
    // It has lost a client or a connection, maybe the last one.
    void note_idle(Instant now) { idle_since_us_.store(now.us, std::memory_order_relaxed); }
    // How long it may be without clients and connections; 0 = for ever.
    void set_idle_limit(Duration limit) {
        idle_limit_us_.store(limit.count(), std::memory_order_relaxed);
    }
    // When it will have been idle for that long, if it is idle; never = it stays, or is in use.
    [[nodiscard]] Instant idle_end() const {
        const int64_t limit_us = idle_limit_us_.load(std::memory_order_relaxed);
        if (limit_us == 0 || clients.load(std::memory_order_relaxed) > 0) return {};
        return {idle_since_us_.load(std::memory_order_relaxed) + limit_us};
    }

    [[nodiscard]] const PoolMembers& members() const {
        return *members_.load(std::memory_order_acquire);
    }
    // The first pool: the only one unless routed.
    [[nodiscard]] Pool& first() const { return *members().list.front().pool; }
    // PoolSet's, under its mutex. Nothing changes when they are as before.
    void set_members(std::unique_ptr<PoolMembers> members);

    // What this worker has decided; only once the group has been routed.
    [[nodiscard]] RouteCounters& route_counters(WorkerId worker) { return route_counters_[worker]; }
    // Summed over the workers; nothing when it never was routed. Under PoolSet's mutex.
    [[nodiscard]] std::optional<RouteTotals> route_totals() const;

    // How to log in to its servers. The same secret again keeps the keys that logins have derived;
    // another one need not wait for the back-off of the one that was refused.
    void set_credentials(ServerCredentials credentials);
    [[nodiscard]] ServerCredentials credentials() const;
    [[nodiscard]] bool has_credentials() const;

    // The one copy of what a server says of itself, shared by all that say the same.
    [[nodiscard]] std::shared_ptr<const Welcome> intern(const Welcome& welcome);
    // What the last server said; null when none has logged in since forget_welcomes().
    [[nodiscard]] std::shared_ptr<const Welcome> welcome() const;
    void forget_welcomes();
    // All that are known, the newest last.
    [[nodiscard]] std::vector<std::shared_ptr<const Welcome>> welcomes() const;

    // Since when nobody could serve transactions of this kind, for breaker_hold; never = somebody
    // can. `kind` below kKinds.
    static constexpr size_t kKinds = 8;
    [[nodiscard]] Instant unserved_since(size_t kind) const {
        return {unserved_since_us_[kind].load(std::memory_order_relaxed)};
    }
    void note_unserved(size_t kind, Instant now) {
        int64_t never = 0;
        unserved_since_us_[kind].compare_exchange_strong(never, now.us, std::memory_order_relaxed);
    }
    void note_served(size_t kind) {
        if (unserved_since_us_[kind].load(std::memory_order_relaxed) != 0)
            unserved_since_us_[kind].store(0, std::memory_order_relaxed);
    }

  private:
    static constexpr size_t kWelcomesMax = 8;

    // Whether others were there before.
    bool replace_credentials(ServerCredentials credentials);

    const PoolKey key_;
    DatabaseState& database_state_;
    UserState& user_state_;
    std::atomic<const PoolMembers*> members_{nullptr};
    std::vector<std::unique_ptr<PoolMembers>> versions_;
    // One for each worker; made once, before the first members that are routed are published.
    std::vector<RouteCounters> route_counters_;
    std::array<std::atomic<int64_t>, kKinds> unserved_since_us_{};
    std::atomic<int64_t> idle_since_us_{0};
    std::atomic<int64_t> idle_limit_us_{0};

    mutable std::mutex mutex_;
    ServerCredentials credentials_;
    std::vector<std::shared_ptr<const Welcome>> welcomes_;  // the last one is the newest
};

}  // namespace weir
