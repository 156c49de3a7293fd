#include "admin/console/console.h"

#include <algorithm>

#include "admin/console/show.h"

namespace weir {

// ---- any thread ----

bool Console::owns(std::string_view database) const {
    return database == kConsoleDatabase || database == "weir";
}

VirtualDatabase::Admission Console::admit(const Config& config, std::string_view user) const {
    const auto is_in = [user](const std::vector<std::string>& names) {
        return std::find(names.begin(), names.end(), user) != names.end();
    };
    const bool is_admin = is_in(config.global.admin_users);
    return {.is_allowed = is_admin || is_in(config.global.stats_users), .is_admin = is_admin};
}

std::vector<std::pair<std::string, std::string>> Console::parameters() const {
    return {
        {"server_version", kConsoleServerVersion},
        {"client_encoding", "UTF8"},
        {"server_encoding", "UTF8"},
        {"DateStyle", "ISO"},
        {"TimeZone", "GMT"},
        {"standard_conforming_strings", "on"},
        {"is_superuser", "on"},
        {"integer_datetimes", "on"},
    };
}

// ---- clients ----

void Console::on_messages(const Client& client, std::string_view messages) {
    std::unique_ptr<Entry>& entry = entries_[client.id];
    if (entry == nullptr) {
        entry = std::make_unique<Entry>(client.id, client.is_admin);
        ++own_totals_.client_logins;
    }
    entry->session.feed(messages);
    pump(*entry);
}

void Console::on_disconnect(ClientId client) {
    entries_.erase(client);
}

void Console::on_cancel(ClientId client) {
    const auto found = entries_.find(client);
    if (found == entries_.end() || found->second->wait != Wait::Quiet) return;
    Entry& entry = *found->second;
    // Somebody may have resumed meanwhile; then there is nothing left to undo.
    (void)inspector_.resume(entry.running->database());
    finish(entry,
           CommandOutcome::failed(Error("57014", "canceling statement due to user request")));
}

void Console::on_tick(Instant now) {
    const ConfigPtr config = inspector_.config();
    history_.on_tick(now, std::chrono::seconds(config->global.stats_period_s),
                     [this] { return totals(); });
    for (const auto& [id, entry] : entries_) {
        if (entry->wait == Wait::Quiet) settle_pause(*entry);
    }
}

// ---- running commands ----

void Console::pump(Entry& entry) {
    if (entry.is_pumping) return;
    entry.is_pumping = true;
    while (entry.wait == Wait::Nothing) {
        const ConsoleStatement* statement = entry.session.advance();
        if (statement == nullptr) break;
        run(entry, *statement);
    }
    entry.is_pumping = false;
    std::string output = entry.session.take_output();
    const bool is_closed = entry.session.is_closed();
    if (entry.is_closing || (output.empty() && !is_closed)) return;
    entry.is_closing = is_closed;
    outlet_.reply(entry.id, std::move(output), is_closed);
}

void Console::run(Entry& entry, const ConsoleStatement& statement) {
    ++own_totals_.queries;
    ++own_totals_.transactions;
    entry.run = ++last_run_;
    entry.running = &statement;
    if (statement.show != nullptr) return run_show(entry, *statement.show);
    if (statement.spec->start != nullptr) {
        entry.wait = Wait::Answer;
        statement.spec->start(
            inspector_, statement, [this, id = entry.id, run = entry.run](const Status& status) {
                if (Entry* asker = find_waiting(id, run)) {
                    finish(*asker, CommandOutcome::of(status, asker->running->spec->word));
                }
            });
        return;
    }
    CommandOutcome outcome = statement.spec->run(inspector_, statement);
    if (outcome.kind != CommandOutcome::Kind::UntilQuiet) return finish(entry, std::move(outcome));
    entry.wait = Wait::Quiet;
    settle_pause(entry);
}

void Console::run_show(Entry& entry, const ShowSpec& spec) {
    if (!spec.needs_workers && !spec.needs_health) return finish(entry, show(spec, {}, nullptr));
    entry.wait = Wait::Answer;
    if (spec.needs_health) {
        return inspector_.health(
            [this, id = entry.id, run = entry.run](const HealthSnapshot& health) {
                if (Entry* asker = find_waiting(id, run)) {
                    finish(*asker, show(*asker->running->show, {}, &health));
                }
            });
    }
    inspector_.snapshot(
        [this, id = entry.id, run = entry.run](const std::vector<WorkerSnapshot>& workers) {
            if (Entry* asker = find_waiting(id, run)) {
                finish(*asker, show(*asker->running->show, workers, nullptr));
            }
        });
}

Console::Entry* Console::find_waiting(ClientId client, uint64_t run) {
    const auto found = entries_.find(client);
    if (found == entries_.end()) return nullptr;
    Entry& entry = *found->second;
    return entry.wait == Wait::Answer && entry.run == run ? &entry : nullptr;
}

void Console::finish(Entry& entry, CommandOutcome outcome) {
    entry.wait = Wait::Nothing;
    entry.running = nullptr;
    entry.session.complete(std::move(outcome));
    pump(entry);
}

// Answers a PAUSE, if it is time to.
void Console::settle_pause(Entry& entry) {
    const std::optional<std::string> database = entry.running->database();
    bool is_paused = inspector_.is_paused();
    if (database) {
        const DatabaseState* state = inspector_.pools().find_database(*database);
        is_paused = state != nullptr && state->paused.load();
    }
    if (!is_paused) {
        return finish(entry, CommandOutcome::failed(Error("57014", "PAUSE was ended by RESUME")));
    }
    if (inspector_.is_quiet(database)) finish(entry, CommandOutcome::done("PAUSE"));
}

// ---- SHOW ----

CommandOutcome Console::show(const ShowSpec& spec, std::span<const WorkerSnapshot> workers,
                             const HealthSnapshot* health) {
    const DatabaseTotals now = totals();
    return weir::run_show(spec, {.inspector = inspector_,
                                 .config = inspector_.config(),
                                 .totals = now,
                                 .history = history_,
                                 .consoles = entries_.size(),
                                 .workers = workers,
                                 .health = health});
}

DatabaseTotals Console::totals() {
    DatabaseTotals out = collect_totals(inspector_.pools());
    out[kConsoleDatabase] = own_totals_;
    return out;
}

}  // namespace weir
