#include "admin/console/traffic_commands.h"

#include <charconv>

namespace weir {

namespace {

using Database = std::optional<std::string>;

// The console is a database, too, but none that could be stopped.
Status no_console(const Database& database, std::string_view what) {
    if (!database || !is_console_name(*database)) return {};
    return fail("08P01", "cannot " + std::string(what) + " admin db: " + *database);
}

CommandOutcome pending(std::function<std::optional<CommandOutcome>(Inspector&)> settle,
                       std::function<void(Inspector&)> undo = nullptr,
                       std::function<ConsoleNotice(Inspector&)> explain = nullptr) {
    return CommandOutcome::waiting(std::make_shared<PendingCommand>(
        PendingCommand{std::move(settle), std::move(undo), std::move(explain)}));
}

// Somebody may have resumed meanwhile: then there is nothing left to undo.
std::function<void(Inspector&)> resuming(const Database& database) {
    return [database](Inspector& inspector) { (void)inspector.resume(database); };
}

bool is_paused(Inspector& inspector, const Database& database) {
    if (!database) return inspector.is_paused();
    const DatabaseState* state = inspector.pools().find_database(*database);
    return state != nullptr && state->paused.load();
}

std::optional<CommandOutcome> settle_pause(Inspector& inspector, const Database& database) {
    if (!is_paused(inspector, database)) {
        return CommandOutcome::failed(Error("57014", "PAUSE was ended by RESUME"));
    }
    if (!inspector.is_quiet(database)) return std::nullopt;
    return CommandOutcome::done("PAUSE");
}

// Whoever pauses session pooling waits for clients to leave, which looks like a hang.
ConsoleNotice explain_pause(Inspector& inspector, const Database& database) {
    constexpr int kPoolsShown = 10;
    const ConfigPtr config = inspector.config();
    size_t busy = 0;
    int pools = 0;
    std::string detail;
    inspector.pools().for_each_pool([&](Pool& pool) {
        if (database && pool.key().database != *database) return;
        const Pool::Counts counts = pool.counts();
        if (counts.leased + counts.opening == 0) return;
        busy += counts.leased + counts.opening;
        if (++pools > kPoolsShown) return;
        const bool is_session =
            effective_pool_mode(*config, pool.database(), pool.key().user) == PoolMode::Session;
        detail += (detail.empty() ? "" : "\n") + pool.key().database + "/" + pool.key().user +
                  ": " + std::to_string(counts.leased + counts.opening) +
                  (is_session ? ", until their clients disconnect (session pooling)"
                              : ", until their transactions end");
    });
    if (pools > kPoolsShown) {
        detail += "\nand " + std::to_string(pools - kPoolsShown) + " more pools";
    }
    return {
        "PAUSE waits for " + std::to_string(busy) +
            " server connections that are in use; cancel it to resume, or KILL what it waits for",
        std::move(detail)};
}

}  // namespace

CommandOutcome pause(Inspector& inspector, const ConsoleStatement& statement) {
    const Database database = statement.database();
    Status paused = no_console(database, "pause");
    if (paused) paused = inspector.pause(database);
    if (!paused) return CommandOutcome::failed(paused.error());
    return pending([database](Inspector& all) { return settle_pause(all, database); },
                   resuming(database),
                   [database](Inspector& all) { return explain_pause(all, database); });
}

CommandOutcome resume(Inspector& inspector, const ConsoleStatement& statement) {
    return CommandOutcome::of(inspector.resume(statement.database()), "RESUME");
}

CommandOutcome suspend(Inspector& inspector, const ConsoleStatement&) {
    if (const Status begun = inspector.suspend(); !begun) {
        return CommandOutcome::failed(begun.error());
    }
    const auto settle = [](Inspector& all) -> std::optional<CommandOutcome> {
        if (!all.is_suspended()) {
            return CommandOutcome::failed(Error("57014", "SUSPEND was ended by RESUME"));
        }
        if (!all.is_flushed()) return std::nullopt;
        return CommandOutcome::done("SUSPEND");
    };
    return pending(settle, resuming(std::nullopt));
}

CommandOutcome kill(Inspector& inspector, const ConsoleStatement& statement) {
    const Database database = statement.database();
    Status killed = no_console(database, "kill");
    if (killed) killed = inspector.kill(database);
    return CommandOutcome::of(killed, "KILL");
}

CommandOutcome disable(Inspector& inspector, const ConsoleStatement& statement) {
    const Database database = statement.database();
    Status disabled = no_console(database, "disable");
    if (disabled) disabled = inspector.set_disabled(*database, true);
    return CommandOutcome::of(disabled, "DISABLE");
}

CommandOutcome enable(Inspector& inspector, const ConsoleStatement& statement) {
    const Database database = statement.database();
    Status enabled = no_console(database, "enable");
    if (enabled) enabled = inspector.set_disabled(*database, false);
    return CommandOutcome::of(enabled, "ENABLE");
}

CommandOutcome reconnect(Inspector& inspector, const ConsoleStatement& statement) {
    const Database database = statement.database();
    Status begun = no_console(database, "reconnect");
    if (begun) begun = inspector.reconnect(database);
    return CommandOutcome::of(begun, "RECONNECT");
}

CommandOutcome wait_close(Inspector& inspector, const ConsoleStatement& statement) {
    const Database database = statement.database();
    if (const Status known = no_console(database, "wait in"); !known) {
        return CommandOutcome::failed(known.error());
    }
    if (const Result<size_t> left = inspector.outdated(database); !left) {
        return CommandOutcome::failed(left.error());
    }
    return pending([database](Inspector& all) -> std::optional<CommandOutcome> {
        const Result<size_t> left = all.outdated(database);
        // A database that a RELOAD has taken away has no connections.
        if (left && *left > 0) return std::nullopt;
        return CommandOutcome::done("WAIT_CLOSE");
    });
}

void kill_client(Inspector& inspector, const ConsoleStatement& statement,
                 std::function<void(Status)> done) {
    const std::string text = statement.database().value_or("");
    uint64_t id = 0;
    const char* end = text.data() + text.size();
    const auto [last, problem] = std::from_chars(text.data(), end, id);
    if (problem != std::errc() || last != end) {
        return done(fail("08P01", "invalid client pointer supplied"));
    }
    inspector.kill_client(id, std::move(done));
}

}  // namespace weir
