#include "admin/console/console.h"

#include <algorithm>

#include "admin/console/show.h"
#include "conf/logging.h"
#include "proxy/server/parameters.h"

namespace weir {

namespace {

constexpr size_t kLookedUpQueries = 50;  // of the status page

// A command that has not been answered by then is told what it waits for.
constexpr Duration kExplainAfter = std::chrono::seconds(1);

void log_stats(const PoolTotals& average) {
    log::info(
        "stats: {} xacts/s, {} queries/s, {} client parses/s, {} server parses/s, {} binds/s, in "
        "{} B/s, out {} B/s, xact {} us, query {} us, wait {} us",
        average.transactions, average.queries, average.client_parses, average.server_parses,
        average.binds, average.bytes_received, average.bytes_sent, average.transaction_us,
        average.query_us, average.wait_us);
}

// What administrators do is told in PgBouncer's words.
void log_command(const ConsoleStatement& statement) {
    const CommandSpec& spec = *statement.spec;
    if (spec.access != Access::Admin) return;
    if (spec.argument == Argument::Option) {
        // Without the value, which may be a password.
        return log::info("SET '{}' command issued", *statement.database());
    }
    std::string text(spec.word);
    if (!spec.object.empty()) text += " " + std::string(spec.object);
    const size_t named = spec.object.empty() ? 1 : 2;
    if (spec.argument == Argument::ShutdownMode) {
        if (const auto mode = statement.database()) {
            text += equals_ignoring_case(*mode, "WAIT_FOR_CLIENTS") ? " WAIT_FOR_CLIENTS"
                                                                    : " WAIT_FOR_SERVERS";
        }
    } else if (statement.command.words.size() > named) {
        text += " '" + statement.command.words[named].text + "'";
    }
    log::info("{} command issued", text);
}

}  // namespace

// ---- any thread ----

bool Console::owns(std::string_view database) const {
    return is_console_name(database);
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
        entry = std::make_unique<Entry>(client);
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
    if (found == entries_.end() || found->second->wait != Wait::Event) return;
    Entry& entry = *found->second;
    if (entry.pending->undo) entry.pending->undo(inspector_);
    finish(entry,
           CommandOutcome::failed(Error("57014", "canceling statement due to user request")));
}

void Console::on_tick(Instant now) {
    const ConfigPtr config = inspector_.config();
    const bool is_period_over =
        history_.on_tick(now, std::chrono::seconds(config->global.stats_period_s),
                         [this] { return changed_totals(); });
    if (is_period_over && config->global.log_stats) log_stats(history_.average_of_all());
    for (const auto& [id, entry] : entries_) {
        if (entry->wait == Wait::Event) settle(*entry);
        if (entry->wait == Wait::Event && !entry->explain_at.is_never() && now >= entry->explain_at)
            explain(*entry);
    }
    if (entries_.empty() && inspector_.is_suspended()) {
        log::info("admin disappeared when suspended, doing RESUME");
        (void)inspector_.resume(std::nullopt);
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
    send_output(entry);
}

void Console::send_output(Entry& entry) {
    std::vector<AttachedDescriptor> descriptors = entry.session.take_descriptors();
    std::string output = entry.session.take_output();
    const bool is_closed = entry.session.is_closed();
    if (entry.is_closing || (output.empty() && !is_closed)) return;
    entry.is_closing = is_closed;
    outlet_.reply(entry.id, std::move(output), std::move(descriptors), is_closed);
}

void Console::run(Entry& entry, const ConsoleStatement& statement) {
    // PgBouncer counts one of each for a client of its console, however many commands it sends.
    if (entry.run == 0) {
        ++own_totals_.queries;
        ++own_totals_.transactions;
    }
    entry.run = ++last_run_;
    entry.running = &statement;
    if (statement.show != nullptr) return run_show(entry, statement);
    log_command(statement);
    entry.digest_before = inspector_.config()->digest;
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
    if (outcome.kind == CommandOutcome::Kind::HandOver) {
        entry.wait = Wait::Answer;  // which goes another way
        audit(entry, std::nullopt);
        if (const Status taken = inspector_.hand_over(entry.id); !taken)
            finish(entry, CommandOutcome::failed(taken.error()));
        return;
    }
    if (outcome.kind != CommandOutcome::Kind::Pending) return finish(entry, std::move(outcome));
    entry.wait = Wait::Event;
    entry.pending = std::move(outcome.pending);
    entry.explain_at = entry.pending->explain ? inspector_.now() + kExplainAfter : Instant{};
    settle(entry);
}

void Console::run_show(Entry& entry, const ConsoleStatement& statement) {
    const ShowSpec& spec = *statement.show;
    if (!spec.needs_workers && !spec.needs_health && !spec.needs_insight)
        return finish(entry, show(statement, {}));
    entry.wait = Wait::Answer;
    if (spec.needs_insight) {
        return inspector_.queries(
            SIZE_MAX, true, [this, id = entry.id, run = entry.run](const InsightSnapshot& insight) {
                if (Entry* asker = find_waiting(id, run)) {
                    finish(*asker, show(*asker->running, {.insight = &insight}));
                }
            });
    }
    if (spec.needs_health) {
        return inspector_.health(
            [this, id = entry.id, run = entry.run](const HealthSnapshot& health) {
                if (Entry* asker = find_waiting(id, run)) {
                    finish(*asker, show(*asker->running, {.health = &health}));
                }
            });
    }
    inspector_.snapshot(spec.needs_details, [this, id = entry.id, run = entry.run](
                                                const std::vector<WorkerSnapshot>& workers) {
        if (Entry* asker = find_waiting(id, run)) {
            finish(*asker, show(*asker->running, {.workers = workers}));
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
    if (outcome.error && entry.running->spec->access == Access::Admin) {
        log::error("{}", outcome.error->message);
    }
    audit(entry, outcome.error);
    entry.wait = Wait::Nothing;
    entry.running = nullptr;
    entry.pending.reset();
    entry.session.complete(std::move(outcome));
    pump(entry);
}

void Console::audit(const Entry& entry, const std::optional<Error>& error) {
    if (audit_ == nullptr || !audit_->is_on()) return;
    if (entry.running->spec->access != Access::Admin) return;
    audit_->note({.command = audited_text(*entry.running),
                  .user = entry.who.user,
                  .database = entry.who.database,
                  .address = entry.who.address,
                  .digest_before = entry.digest_before,
                  .digest_after = inspector_.config()->digest,
                  .error = error ? &*error : nullptr});
}

// Answers a command that waits for something, if it is time to.
void Console::settle(Entry& entry) {
    if (std::optional<CommandOutcome> outcome = entry.pending->settle(inspector_)) {
        finish(entry, std::move(*outcome));
    }
}

void Console::explain(Entry& entry) {
    entry.explain_at = {};
    entry.session.notify(entry.pending->explain(inspector_));
    send_output(entry);
}

// ---- SHOW ----

CommandOutcome Console::show(const ShowSpec& spec, const Answers& answers) {
    const DatabaseTotals now = totals();
    return weir::run_show(spec, {.inspector = inspector_,
                                 .config = inspector_.config(),
                                 .totals = now,
                                 .history = history_,
                                 .consoles = entries_.size(),
                                 .workers = answers.workers,
                                 .health = answers.health,
                                 .insight = answers.insight});
}

CommandOutcome Console::show(const ConsoleStatement& statement, const Answers& answers) {
    CommandOutcome outcome = show(*statement.show, answers);
    apply(statement.command.clauses, statement.columns(), outcome);
    return outcome;
}

void Console::look_up(
    std::span<const std::string_view> topics,
    std::function<void(std::vector<LookedUp>, std::span<const WorkerSnapshot>)> done) {
    std::vector<const ShowSpec*> specs;
    for (const std::string_view topic : topics) {
        if (const ShowSpec* spec = find_show(topic)) specs.push_back(spec);
    }
    inspector_.snapshot(false, [this, specs = std::move(specs),
                                done = std::move(done)](std::vector<WorkerSnapshot> workers) {
        auto pictures = std::make_shared<std::vector<WorkerSnapshot>>(std::move(workers));
        inspector_.health([this, specs, done, pictures](const HealthSnapshot& health) {
            inspector_.queries(
                kLookedUpQueries, true,
                [this, specs, done, pictures, health](const InsightSnapshot& insight) {
                    std::vector<LookedUp> tables;
                    const Answers answers{
                        .workers = *pictures, .health = &health, .insight = &insight};
                    for (const ShowSpec* spec : specs)
                        tables.push_back({spec, show(*spec, answers).rows});
                    done(std::move(tables), *pictures);
                });
        });
    });
}

DatabaseTotals Console::changed_totals() {
    DatabaseTotals out = collect_changed(inspector_.pools());
    out[kConsoleDatabase] = own_totals_;
    return out;
}

DatabaseTotals Console::totals() {
    DatabaseTotals out = collect_totals(inspector_.pools());
    out[kConsoleDatabase] = own_totals_;
    return out;
}

}  // namespace weir
