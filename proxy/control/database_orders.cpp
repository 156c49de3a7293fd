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

void recycle(ControlContext& context, const std::optional<std::string>& database,
             std::string_view reason) {
    context.pools.for_each_pool([&](Pool& pool) {
        if (database && pool.key().database != *database) return;
        pool.recycle();
        pool.group().forget_welcomes();
        context.janitor.close_idle(pool, reason);
    });
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

void DatabaseOrders::note(const std::optional<std::string>& database, std::string event) {
    ctx_.note(ProcessEvent::Kind::Database, database.value_or(""), std::move(event));
}

Status DatabaseOrders::is_running() const {
    if (is_paused() || suspension_.is_on()) return fail("08P01", "already suspended/paused");
    return {};
}

void DatabaseOrders::close_idle_of_paused(std::string_view reason) {
    ctx_.pools.for_each_pool([&](Pool& pool) {
        if (pool.database_state().is_paused()) ctx_.janitor.close_idle(pool, reason);
    });
}

Status DatabaseOrders::pause(const std::optional<std::string>& database) {
    if (Status running = is_running(); !running) return running;
    if (!database) {
        ctx_.pools.pause_all(true);
    } else {
        const Status paused = for_databases(database, [](DatabaseState& state) -> Status {
            state.paused.store(true);
            return {};
        });
        if (!paused) return paused;
    }
    close_idle_of_paused("pause mode");
    note(database, "paused");
    return {};
}

void DatabaseOrders::pause_for_good() {
    is_for_good_ = true;
    if (suspension_.is_on()) suspension_.end();
    ctx_.pools.pause_all(true);
    close_idle_of_paused("pause mode");
}

bool DatabaseOrders::is_quiet(const std::optional<std::string>& database) {
    bool is_quiet = true;
    // Whatever is lent or being opened is so by a pool that is awake.
    for (const Pool* pool : ctx_.pools.wakes().awake()) {
        if (database && pool->key().database != *database) continue;
        const Pool::Counts counts = pool->counts();
        is_quiet = is_quiet && counts.leased == 0 && counts.opening == 0;
    }
    return is_quiet;
}

// While the process waits for its clients to leave, they may need a RESUME to get there.
Status DatabaseOrders::resume(const std::optional<std::string>& database) {
    const bool is_stopped = is_paused() || suspension_.is_on() || are_all_killed_;
    const bool is_leaving = ctx_.shared.is_shutting_down.load() && (!is_stopped || is_for_good_);
    if (is_for_good_ || (!database && is_leaving)) return fail("08P01", "pooler is shutting down");
    if (!database && !is_stopped) return fail("08P01", "pooler is not paused/suspended");
    if (database || are_all_killed_) {
        const Status resumed = for_databases(database, [&](DatabaseState& state) -> Status {
            if (database && !state.paused.load())
                return fail("08P01", "database " + state.name + " is not paused");
            state.paused.store(false);
            return {};
        });
        if (!resumed) return resumed;
    }
    if (!database) {
        are_all_killed_ = false;
        ctx_.pools.pause_all(false);
        if (suspension_.is_on()) suspension_.end();
    }
    const Instant now = ctx_.clock.now();
    std::vector<Pool*> pools;
    ctx_.pools.for_each_pool([&](Pool& pool) { pools.push_back(&pool); });
    for (Pool* pool : pools)
        ctx_.janitor.serve_waiters(*pool, now);
    note(database, "resumed");
    return {};
}

// Also while paused: whoever pauses session pooling may get rid of those it waits for.
Status DatabaseOrders::kill(const std::optional<std::string>& database) {
    if (suspension_.is_on()) return fail("08P01", "already suspended/paused");
    const Status marked = for_databases(database, [](DatabaseState& state) -> Status {
        state.paused.store(true);
        return {};
    });
    if (!marked) return marked;
    if (!database) are_all_killed_ = true;
    kill_clients(ctx_.workers, database.value_or(""));
    close_idle_of_paused("database removed");
    note(database, "killed");
    return {};
}

Status DatabaseOrders::set_disabled(const std::string& database, bool is_disabled) {
    const Status done = for_databases(database, [is_disabled](DatabaseState& state) -> Status {
        state.disabled.store(is_disabled);
        return {};
    });
    if (done) note(database, is_disabled ? "disabled" : "enabled");
    return done;
}

Status DatabaseOrders::reconnect(const std::optional<std::string>& database) {
    const auto known = [](DatabaseState&) -> Status { return {}; };
    if (Status found = for_databases(database, known); !found) return found;
    recycle(ctx_, database, "database configuration changed");
    note(database, "reconnecting");
    return {};
}

Result<size_t> DatabaseOrders::outdated(const std::optional<std::string>& database) {
    if (database && !ctx_.config->find_database(*database))
        return fail("08P01", "no such database: " + *database);
    size_t count = 0;
    ctx_.pools.for_each_pool([&](Pool& pool) {
        if (!database || pool.key().database == *database) count += pool.obsolete();
    });
    return count;
}

Status DatabaseOrders::suspend() {
    if (Status running = is_running(); !running) return running;
    // Buffers have to be flushed, which what is paused does not do.
    bool is_some_paused = false;
    ctx_.pools.for_each_database([&is_some_paused](const DatabaseState& state) {
        is_some_paused = is_some_paused || state.paused.load();
    });
    if (is_some_paused) return fail("08P01", "cannot suspend with paused databases");
    suspension_.begin(ctx_.clock.now(), ctx_.config->global.suspend_timeout);
    note(std::nullopt, "suspended");
    return {};
}

}  // namespace weir
