#include "proxy/janitor.h"

#include <algorithm>

namespace weir {

namespace {

constexpr Duration kIdleSpared = std::chrono::seconds(1);

}  // namespace

WorkerId Janitor::next_opener() {
    return static_cast<WorkerId>(opener_++ % exchange_.workers());
}

void Janitor::tick(Instant now) {
    pools_.wakes().wake_due(now);
    bool is_somebody_starved = false;
    bool is_something_obsolete = false;
    // Others may wake meanwhile; their turn comes with the next tick.
    for (Pool* pool : pools_.wakes().awake()) {
        tick(*pool, now);
        is_something_obsolete = pool->take_obsolete_note() || is_something_obsolete;
        is_somebody_starved = is_somebody_starved || pool->are_others_starved();
    }
    if (is_something_obsolete) {
        for (unsigned worker = 0; worker < exchange_.workers(); ++worker) {
            WorkerMessage message;
            message.kind = WorkerMessage::Kind::CloseObsolete;
            exchange_.post(static_cast<WorkerId>(worker), std::move(message));
        }
    }
    if (is_somebody_starved) {
        relieve(now);
    } else {
        shares_.weigh(now);
    }
    bury_idle_groups(now);
    pools_.wakes().settle(now);
}

void Janitor::tick(Pool& pool, Instant now) {
    pools_.note_active(pool.database_state());
    pool.resize(now);
    if (pool.is_out_of_service()) close_idle(pool, "backend is out of service");
    pool.take_expired(kControlWorker, now, expired_);
    for (const Pool::Expired& it : expired_)
        close(pool, *it.server, it.reason);
    expired_.clear();
    open_wanted(pool, now);
}

// A pool that sleeps has an alarm for when its group has been idle for too long.
void Janitor::bury_idle_groups(Instant now) {
    std::vector<PoolGroup*> idle;
    for (Pool* pool : pools_.wakes().awake()) {
        const Instant end = pool->group().idle_end();
        if (end.is_never() || now < end) continue;
        if (std::find(idle.begin(), idle.end(), &pool->group()) == idle.end())
            idle.push_back(&pool->group());
    }
    for (PoolGroup* group : idle)
        (void)pools_.bury_idle(*group, now);
}

void Janitor::open_wanted(Pool& pool, Instant now) {
    // Bounded: a pool cannot want more than its login burst at a time.
    for (int i = 0; i < 1024; ++i) {
        const WorkerId opener = next_opener();
        ServerConnection* server = pool.want_open(opener, now);
        if (server == nullptr) return;
        open_elsewhere(server);
    }
}

void Janitor::open_elsewhere(ServerConnection* server) {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::OpenServer;
    message.server = server;
    exchange_.post(server->load_owner().worker, std::move(message));
}

// The worker whose loop watches the socket says farewell to it.
void Janitor::close(Pool& pool, ServerConnection& server, std::string_view reason) {
    pool.announce_leaving(server);
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::CloseServer;
    message.server = &server;
    message.server_id = server.id;
    message.text = reason;
    const WorkerId home = server.registered_with;
    pool.hand_over(server, home);
    exchange_.post(home, std::move(message));
}

void Janitor::close_idle(Pool& pool, std::string_view reason) {
    std::vector<ServerConnection*> idle;
    pool.take_all_idle(kControlWorker, idle);
    for (ServerConnection* server : idle)
        close(pool, *server, reason);
}

void Janitor::close_gone(const std::string& host, const std::vector<std::string>& ips) {
    pools_.for_each_pool([&](Pool& pool) {
        std::vector<ServerConnection*> idle;
        pool.take_gone(host, ips, kControlWorker, idle);
        for (ServerConnection* server : idle)
            close(pool, *server, "database configuration changed");
    });
}

void Janitor::empty_removed_pools(Instant now) {
    pools_.for_each_pool([this, now](Pool& pool) {
        if (!pool.is_removed()) return;
        for (const Grant& waiter : pool.take_waiters(now)) {
            WorkerMessage message;
            message.kind = WorkerMessage::Kind::WaitFailed;
            message.grant = waiter;
            message.sqlstate = "08006";
            message.text = "backend removed";
            exchange_.post(waiter.client.worker, std::move(message));
        }
    });
}

void Janitor::serve_waiters(Pool& pool, Instant now) {
    pool.wake();
    while (const auto grant = pool.match_waiter(now))
        exchange_.post_grant(*grant);
    open_wanted(pool, now);
}

// ---- shared limits ----

void Janitor::relieve(Instant now) {
    shares_.weigh(now);
    std::vector<std::pair<Instant, Pool*>> needy;
    // Whoever waits is awake.
    for (Pool* pool : pools_.wakes().awake()) {
        for (Cap* cap : pool->shared_caps())
            cap->starved.store(false);
    }
    for (Pool* pool : pools_.wakes().awake()) {
        const Pool::Counts counts = pool->counts();
        if (counts.waiting > counts.opening) needy.emplace_back(counts.oldest_wait, pool);
    }
    std::sort(needy.begin(), needy.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    size_t demand = 0;
    for (const auto& [since, pool] : needy) {
        if (pool->must_yield()) continue;
        if (ServerConnection* server = pool->want_open(next_opener(), now)) {
            open_elsewhere(server);
            continue;
        }
        const Pool::Counts counts = pool->counts();
        demand += counts.waiting - std::min(counts.waiting, counts.opening);
        evict_for(*pool, demand, now);
    }
}

// Who has a fair share takes nothing from who has no more than that, unless it is not needed: a
// client that asks again and again must not find its connection gone each time.
bool Janitor::is_spared(const Pool& victim, Duration idle, const Pool& needy) {
    return idle < kIdleSpared && victim.is_within_share() && needy.has_share();
}

// Closes the least recently used idle connection that stands in the way of `needy`, unless enough
// for `demand` are leaving already; the unit that it frees is dealt when it is gone.
void Janitor::evict_for(Pool& needy, size_t demand, Instant now) {
    std::vector<const Cap*> full;
    int leaving = 0;
    for (const Cap* cap : needy.shared_caps()) {
        if (cap->limit() == 0 || cap->used() < cap->limit()) continue;
        full.push_back(cap);
        leaving = std::max(leaving, cap->leaving());
    }
    if (full.empty() || static_cast<size_t>(leaving) >= demand) return;
    Pool* victim = nullptr;
    Instant oldest;
    const auto look_at = [&](Pool& pool) {
        if (&pool == &needy) return;
        const auto caps = pool.shared_caps();
        const bool shares =
            std::find_first_of(caps.begin(), caps.end(), full.begin(), full.end()) != caps.end();
        Instant idle_since;
        if (!shares || pool.take_lru_idle(kNoWorker, &idle_since) == nullptr) return;
        // Of other limits there are no shares.
        const bool is_by_share = std::all_of(caps.begin(), caps.end(), [&](const Cap* cap) {
            const bool is_in_the_way = std::find(full.begin(), full.end(), cap) != full.end();
            return !is_in_the_way || cap == &pool.database_state().servers;
        });
        if (is_by_share && is_spared(pool, now - idle_since, needy)) return;
        if (victim == nullptr || idle_since < oldest) {
            victim = &pool;
            oldest = idle_since;
        }
    };
    // All who share the limit of a database are its own pools.
    const bool is_of_database = full.size() == 1 && full[0] == &needy.database_state().servers;
    if (is_of_database) {
        pools_.for_each_pool_of(needy.database_state().name, look_at);
    } else {
        pools_.for_each_pool(look_at);
    }
    if (victim == nullptr) return;
    Instant idle_since;
    ServerConnection* server = victim->take_lru_idle(kControlWorker, &idle_since);
    if (server != nullptr) close(*victim, *server, "evicted");
}

}  // namespace weir
