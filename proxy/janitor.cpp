#include "proxy/janitor.h"

#include <algorithm>

#include "protocol/message/writer.h"

namespace weir {

WorkerId Janitor::next_opener() {
    return static_cast<WorkerId>(opener_++ % exchange_.workers());
}

void Janitor::tick(Instant now) {
    std::vector<ServerConnection*> expired;
    bool is_somebody_starved = false;
    std::vector<Pool*> pools;
    pools_.for_each_pool([&](Pool& pool) { pools.push_back(&pool); });
    for (Pool* pool : pools) {
        pool->take_expired(kControlWorker, now, expired);
        for (ServerConnection* server : expired)
            close(*pool, *server, now);
        expired.clear();
        open_wanted(*pool, now);
        is_somebody_starved = is_somebody_starved ||
                              pool->database_state().servers.starved.load() ||
                              pool->user_state().servers.starved.load();
    }
    if (is_somebody_starved) relieve(now);
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

void Janitor::close(Pool& pool, ServerConnection& server, Instant now) {
    Io& io = exchange_.io(server.registered_with);
    io.remove(server.fd);
    std::string terminate;
    write_empty(terminate, FrontendTag::Terminate);
    const iovec piece{terminate.data(), terminate.size()};
    (void)io.send(server.fd, {&piece, 1});  // a courtesy; the close says the same
    io.close(server.fd);
    const Pool::Retired retired = pool.retire(server, kControlWorker, now, std::nullopt);
    if (retired.open == nullptr) return;
    pool.hand_opening(*retired.open, next_opener());
    open_elsewhere(retired.open);
}

void Janitor::close_idle(Pool& pool, Instant now) {
    std::vector<ServerConnection*> idle;
    pool.take_all_idle(kControlWorker, idle);
    for (ServerConnection* server : idle)
        close(pool, *server, now);
}

void Janitor::serve_waiters(Pool& pool, Instant now) {
    while (const auto grant = pool.match_waiter(now))
        exchange_.post_grant(*grant);
    open_wanted(pool, now);
}

// ---- shared limits ----

void Janitor::relieve(Instant now) {
    std::vector<std::pair<Instant, Pool*>> needy;
    pools_.for_each_database([](DatabaseState& state) { state.servers.starved.store(false); });
    pools_.for_each_user([](UserState& state) { state.servers.starved.store(false); });
    pools_.for_each_pool([&](Pool& pool) {
        const Pool::Counts counts = pool.counts();
        if (counts.waiting > counts.opening) needy.emplace_back(counts.oldest_wait, &pool);
    });
    std::sort(needy.begin(), needy.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [since, pool] : needy) {
        ServerConnection* server = pool->want_open(next_opener(), now);
        if (server == nullptr && evict_for(*pool, now))
            server = pool->want_open(next_opener(), now);
        if (server != nullptr) open_elsewhere(server);
    }
}

// Closes the least recently used idle connection that stands in the way of `needy`.
bool Janitor::evict_for(Pool& needy, Instant now) {
    const auto is_full = [](const Cap& cap) {
        return cap.limit() > 0 && cap.used() >= cap.limit();
    };
    const bool db_full = is_full(needy.database_state().servers);
    const bool user_full = is_full(needy.user_state().servers);
    if (!db_full && !user_full) return false;
    Pool* victim = nullptr;
    Instant oldest;
    pools_.for_each_pool([&](Pool& pool) {
        if (&pool == &needy) return;
        const bool shares = (db_full && &pool.database_state() == &needy.database_state()) ||
                            (user_full && &pool.user_state() == &needy.user_state());
        Instant idle_since;
        if (!shares || pool.take_lru_idle(kNoWorker, &idle_since) == nullptr) return;
        if (victim == nullptr || idle_since < oldest) {
            victim = &pool;
            oldest = idle_since;
        }
    });
    if (victim == nullptr) return false;
    Instant idle_since;
    ServerConnection* server = victim->take_lru_idle(kControlWorker, &idle_since);
    if (server == nullptr) return false;
    close(*victim, *server, now);
    return true;
}

}  // namespace weir
