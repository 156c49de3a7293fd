// Console: the virtual database `pgbouncer` (also called `weir`) through which people and tools
// look at the pooler and command it. Understands PgBouncer's commands and answers in its tables, by
// the simple and by the extended query protocol, so that every driver can be used.
//
//   ConsoleSession  bytes <-> commands, per client
//   commands.h      which commands there are, who may run them, what they do
//   show.h          which tables there are
//   Console         runs commands: at once, or when the workers' snapshots are in (SHOW CLIENTS,
//                   for one), when the health thread has answered (SHOW HEALTH, DRAIN), or when
//                   what they wait for has come about (PAUSE, see PendingCommand)
//
// A client's commands run one at a time, so its answers keep their order; clients do not wait for
// each other. A PAUSE that waits ends early in an error when the client cancels (the pause is then
// undone) or when somebody resumes. The pause stays when its client just goes away; a SUSPEND ends
// when the console has no client left, as nobody could come in to end it. Both as with PgBouncer.
//
// Owner: main. It must outlive every callback that the Inspector still holds.
// Thread: owns(), admit() and parameters() any; all else control.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "admin/audit/audit_trail.h"
#include "admin/console/console_session.h"
#include "admin/console/stats_history.h"
#include "proxy/inspector.h"
#include "proxy/session/login/virtual_database.h"

namespace weir {

// One table of SHOW as it is now.
struct LookedUp {
    const ShowSpec* spec = nullptr;
    std::vector<Cells> rows;
};

class Console final : public VirtualDatabase {
  public:
    Console(Inspector& inspector, ConsoleOutlet& outlet) : inspector_(inspector), outlet_(outlet) {}
    // Who is told of commands that change something; outlives this.
    void set_audit(AuditTrail& audit) { audit_ = &audit; }
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;

    [[nodiscard]] bool owns(std::string_view database) const override;
    [[nodiscard]] Admission admit(const Config& config, std::string_view user) const override;
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> parameters() const override;

    void on_messages(const Client& client, std::string_view messages) override;
    void on_disconnect(ClientId client) override;
    void on_cancel(ClientId client) override;

    // The tables of these topics, without those that there are not, and the workers' pictures that
    // they are made of: for the status page. `done` is called once, on this thread.
    void look_up(std::span<const std::string_view> topics,
                 std::function<void(std::vector<LookedUp>, std::span<const WorkerSnapshot>)> done);

    // About ten times a second: takes the samples for averages, answers what is pending.
    void on_tick(Instant now);

  private:
    enum class Wait : uint8_t { Nothing, Answer, Event };
    // One client, and what its running command waits for.
    struct Entry {
        explicit Entry(const Client& client)
            : id(client.id), who(client), session(client.is_admin) {}
        const ClientId id;
        const Client who;
        ConsoleSession session;
        Wait wait = Wait::Nothing;
        uint64_t run = 0;  // tells a late answer from one to the running command
        bool is_pumping = false;
        bool is_closing = false;  // its client has been told
        const ConsoleStatement* running = nullptr;
        std::string digest_before;                      // of the configuration
        std::shared_ptr<const PendingCommand> pending;  // of Event
        Instant explain_at;                             // of Event; never: it has been told
    };
    struct ByClientId {
        bool operator()(const ClientId& a, const ClientId& b) const {
            return std::tie(a.worker, a.slot, a.generation) <
                   std::tie(b.worker, b.slot, b.generation);
        }
    };

    void pump(Entry& entry);
    void run(Entry& entry, const ConsoleStatement& statement);
    void run_show(Entry& entry, const ConsoleStatement& statement);
    // The entry whose running command the answer is to; null when it is gone.
    [[nodiscard]] Entry* find_waiting(ClientId client, uint64_t run);
    void finish(Entry& entry, CommandOutcome outcome);
    void audit(const Entry& entry, const std::optional<Error>& error);
    void settle(Entry& entry);
    void explain(Entry& entry);
    void send_output(Entry& entry);
    // What the table needs besides what is always there.
    struct Answers {
        std::span<const WorkerSnapshot> workers = {};
        const HealthSnapshot* health = nullptr;
        const InsightSnapshot* insight = nullptr;
    };
    [[nodiscard]] CommandOutcome show(const ShowSpec& spec, const Answers& answers);
    // With the clauses of the statement.
    [[nodiscard]] CommandOutcome show(const ConsoleStatement& statement, const Answers& answers);
    [[nodiscard]] DatabaseTotals totals();
    // As far as they may have changed since the last call.
    [[nodiscard]] DatabaseTotals changed_totals();

    Inspector& inspector_;
    ConsoleOutlet& outlet_;
    AuditTrail* audit_ = nullptr;
    std::map<ClientId, std::unique_ptr<Entry>, ByClientId> entries_;
    StatsHistory history_;
    PoolTotals own_totals_;  // the console's clients
    uint64_t last_run_ = 0;
};

}  // namespace weir
