#include "proxy/pool/share_keeper.h"

#include <algorithm>
#include <utility>

#include "proxy/pool/fair_share.h"

namespace weir {

void ShareKeeper::weigh(Instant now) {
    const bool is_wanted = pools_.has_fair_shares.load(std::memory_order_relaxed);
    std::vector<DatabaseState*> databases;
    for (Pool* pool : pools_.wakes().awake()) {
        DatabaseState& database = pool->database_state();
        if (database.servers.limit() == 0 && !database.shares.is_in_force) continue;
        if (std::exchange(database.shares.is_weighed, true)) continue;
        databases.push_back(&database);
    }
    std::vector<Pool*> pools;
    for (DatabaseState* database : databases) {
        database->shares.is_weighed = false;
        const bool is_limited = database->servers.limit() > 0;
        if (is_wanted && is_limited && is_settled(*database, now)) continue;
        pools.clear();
        pools_.for_each_pool_of(database->name, [&pools](Pool& pool) { pools.push_back(&pool); });
        if (is_wanted && is_limited && pools.size() > 1) {
            weigh(pools, now);
        } else {
            lift(pools);
        }
    }
}

// Nothing is wanting, and it is not time to split again.
bool ShareKeeper::is_settled(DatabaseState& database, Instant now) {
    ShareState& shares = database.shares;
    const bool is_full = database.servers.used() >= database.servers.limit();
    if (!shares.is_in_force || is_full || shares.is_contended.load()) return false;
    if (database.servers.starved.load(std::memory_order_acquire)) return false;
    if (now - shares.split_at >= kInterval) return false;
    shares.owed.store(0);
    return true;
}

void ShareKeeper::lift(std::vector<Pool*>& pools) {
    ShareState& shares = pools.front()->database_state().shares;
    if (!shares.is_in_force) return;
    shares.is_in_force = false;
    shares.is_contended.store(false);
    shares.owed.store(0);
    for (Pool* pool : pools)
        pool->set_share(std::nullopt);
}

void ShareKeeper::weigh(std::vector<Pool*>& pools, Instant now) {
    const Cap& cap = pools.front()->database_state().servers;
    ShareState& shares = pools.front()->database_state().shares;
    const bool is_starved = cap.starved.load(std::memory_order_acquire);
    const Duration interval = is_starved ? kIntervalStarved : kInterval;
    if (!shares.is_in_force || now - shares.split_at >= interval) split(pools, now);
    const int limit = cap.limit();
    const bool is_full = cap.used() >= limit;
    if (!is_full && !shares.is_contended.load()) return shares.owed.store(0);
    size_t modest = 0;
    size_t owed = 0;
    for (const Pool* pool : pools) {
        const Pool::ShareNeed need = pool->share_need(now);
        modest += need.modest;
        owed += need.owed;
    }
    const int free = std::max(limit - cap.used(), 0);
    const int coming = free + std::max(cap.leaving(), 0);
    shares.is_contended.store(modest > 0 && modest >= static_cast<size_t>(free));
    shares.owed.store(std::max(static_cast<int>(owed) - coming, 0));
}

void ShareKeeper::split(std::vector<Pool*>& pools, Instant now) {
    ShareState& shares = pools.front()->database_state().shares;
    ShareOptions options;
    options.capacity = static_cast<uint32_t>(pools.front()->database_state().servers.limit());
    if (!shares.is_in_force || now - shares.turned_at >= kInterval) {
        // On by as many as were dealt: with more pools than units everybody's turn comes soonest.
        const uint32_t reserved = options.capacity * options.reserved_percent / 100;
        shares.turn += std::max<uint32_t>(options.capacity - reserved, 1);
        shares.turned_at = now;
    }
    std::vector<ShareDemand> demands;
    std::vector<Pool*> used;
    for (Pool* pool : pools) {
        const Pool::ShareClaim claim = pool->share_claim(now);
        if (!claim.is_used) {
            pool->set_share(0);  // one connection is never denied, see share_need()
            continue;
        }
        demands.push_back({claim.wanted, claim.pinned, claim.max});
        used.push_back(pool);
    }
    std::vector<uint32_t> parts(used.size());
    fair_shares(demands, options, shares.turn, parts);
    for (size_t i = 0; i < used.size(); ++i)
        used[i]->set_share(static_cast<int>(parts[i]));
    shares.is_in_force = true;
    shares.split_at = now;
}

}  // namespace weir
