#include "proxy/control/database_orders.h"

#include <vector>

namespace weir {

void kill_clients(WorkerGroup& workers, const std::string& database) {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::KillDatabase;
    message.text = database;
    message.text2 = "database removed";
    workers.broadcast(message);
}

Status DatabaseOrders::for_databases(const std::optional<std::string>& name,
                                     const std::function<Status(DatabaseState&)>& action) {
    if (name) {
        const auto database = ctx_.config->find_database(*name);
        if (!database) return fail("08P01", "no such database: " + *name);
        return action(ctx_.pools.database(*ctx_.config, *database));
    }
    for (const auto& [key, database] : ctx_.config->databases)
        (void)ctx_.pools.database(*ctx_.config, database);
    Status out;
    ctx_.pools.for_each_database([&](DatabaseState& state) {
        if (Status done = action(state); !done) out = done;
    });
    return out;
}

Status DatabaseOrders::pause(const std::optional<std::string>& database) {
    if (!database && is_paused_) return fail("08P01", "already suspended/paused");
    const Status paused = for_databases(database, [&](DatabaseState& state) -> Status {
        if (database && state.paused.load()) {
            return fail("08P01", "database already paused: " + state.name);
        }
        state.paused.store(true);
        return {};
    });
    if (!paused) return paused;
    if (!database) is_paused_ = true;
    ctx_.pools.for_each_pool([&](Pool& pool) {
        if (pool.database_state().paused.load()) ctx_.janitor.close_idle(pool, "pooler paused");
    });
    return {};
}

bool DatabaseOrders::is_quiet(const std::optional<std::string>& database) {
    bool is_quiet = true;
    ctx_.pools.for_each_pool([&](Pool& pool) {
        if (database && pool.key().database != *database) return;
        const Pool::Counts counts = pool.counts();
        is_quiet = is_quiet && counts.leased == 0 && counts.opening == 0;
    });
    return is_quiet;
}

Status DatabaseOrders::resume(const std::optional<std::string>& database) {
    if (ctx_.shared.is_shutting_down.load()) return fail("08P01", "pooler is shutting down");
    if (!database && !is_paused_) return fail("08P01", "pooler is not paused/suspended");
    const Status resumed = for_databases(database, [&](DatabaseState& state) -> Status {
        if (database && !state.paused.load())
            return fail("08P01", "database is not paused: " + state.name);
        state.paused.store(false);
        return {};
    });
    if (!resumed) return resumed;
    if (!database) is_paused_ = false;
    const Instant now = ctx_.clock.now();
    std::vector<Pool*> pools;
    ctx_.pools.for_each_pool([&](Pool& pool) { pools.push_back(&pool); });
    for (Pool* pool : pools)
        ctx_.janitor.serve_waiters(*pool, now);
    return {};
}

Status DatabaseOrders::kill(const std::optional<std::string>& database) {
    const Status marked = for_databases(database, [](DatabaseState& state) -> Status {
        state.paused.store(true);
        return {};
    });
    if (!marked) return marked;
    kill_clients(ctx_.workers, database.value_or(""));
    ctx_.pools.for_each_pool([&](Pool& pool) {
        if (pool.database_state().paused.load()) ctx_.janitor.close_idle(pool, "database killed");
    });
    return {};
}

}  // namespace weir
