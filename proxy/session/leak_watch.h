// LeakWatch: looks for leaks (leaks/leak_rules.h) among what one worker holds, reports them and
// does about them what is configured.
//
// There is no timer per lease. The list of connections that the worker owns says which are leased;
// twice a second or so the worker goes over it, kLooksMax of them at a time, each in turn. So a
// checkout costs a few stores, a query a copy of its first bytes, a release the look at one word,
// and nothing of that is done while no rule is on. A busy worker looks by itself; one that sleeps
// is woken by the control thread (Auditor).
//
// L5 and L8 are found where they happen: when a statement is prepared, when a login is given up.
// Owner: Worker. Thread: the worker's.
#pragma once

#include <limits>
#include <vector>

#include "conf/logging.h"
#include "proxy/leaks/leak_registry.h"
#include "proxy/leaks/leak_rules.h"
#include "proxy/session/context.h"

namespace weir {

class LeakWatch {
  public:
    explicit LeakWatch(WorkerContext& context) : ctx_(context) { configure(); }

    // The configuration is new.
    void configure();
    // The worker's clock has moved on: looks when it is time.
    void on_time() {
        if (ctx_.now >= next_look_) look();
    }
    // Looks now, at up to kLooksMax leases.
    void look();

    // ---- what happens to leases ----

    [[nodiscard]] bool is_watching() const { return is_watching_; }

    void on_checkout(ServerConnection& server) {
        if (is_watching_) server.trace.begin(ctx_.now);
    }
    // A query of the lease's client, or the prepared statement that one is about to run.
    void on_query(ServerConnection& server, std::string_view sql) {
        if (is_watching_) server.trace.note(sql);
    }
    void on_prepared_query(ServerConnection& server, std::string_view name) {
        if (is_watching_) server.trace.note_prepared(name);
    }
    // The client leaves its server behind, which is not clean.
    void on_orphaned(ServerConnection& server, const ClientSession& session) {
        if (server.trace.open != 0) end_lease(server);
        if (is_watching_) begin_orphan(server, session);
    }
    // The worker parts with the connection, or the connection with its client: clean or closed.
    void on_parting(ServerConnection& server) {
        if (server.trace.open != 0) end_lease(server);
        server.trace.orphaned_at = {};
    }

    // ---- what is found where it happens ----

    // May the client have one named statement more (leak_statements_max)?
    [[nodiscard]] bool may_prepare(const ClientSession& session) const {
        return limits_.statements_max == 0 || session.statements->size() < limits_.statements_max;
    }
    void on_refused(const ClientSession& session);
    void on_prepared(ClientSession& session) {
        const bool is_over =
            limits_.statements > 0 && session.statements->size() > limits_.statements;
        if (is_over != session.has_leak) is_over ? find_growth(session) : end_growth(session);
    }
    // The session ends.
    void on_session_end(ClientSession& session) {
        if (session.has_leak) end_growth(session);
    }
    // A login that did not come to an end in its time.
    void on_half_login(const ServerConnection& server);
    void on_half_login(const ClientSession& session);

    [[nodiscard]] const LeakRegistry& registry() const { return registry_; }

  private:
    // An occurrence that goes on: of a lease (`server`), or of a session (`client`).
    struct Finding {
        LeakKind kind = LeakKind::Hold;
        uint32_t row = LeakRegistry::kNone;
        ServerConnection* server = nullptr;
        ClientId client;
        Instant since;
        uint64_t client_id = 0;
        bool is_killed = false;
    };

    void look_at(ServerConnection& server);
    LeaseFacts facts_of(ServerConnection& server);
    size_t unread_bytes(const ServerConnection& server);
    void find(ServerConnection& server, LeakKind kind, Instant since, const LeaseFacts& facts);
    void act(ServerConnection& server, const LeakVerdict& verdict);
    void look_at_statements(ServerConnection& server);
    void begin_orphan(ServerConnection& server, const ClientSession& session);
    void end_lease(ServerConnection& server);
    void mark_killed(const ServerConnection& server, LeakKind kind);
    void end_kind(ServerConnection& server, LeakKind kind);
    void end(const Finding& finding);
    void find_growth(ClientSession& session);
    void end_growth(ClientSession& session);
    LeakReport report_of(const ServerConnection& server, LeakKind kind) const;
    LeakReport report_of(const ClientSession& session, LeakKind kind) const;
    uint32_t add(LeakReport report);
    // `kind` and `event` are for SHOW EVENTS.
    void log_line(LeakKind kind, const char* event, const std::string& text);
    [[nodiscard]] std::string application_name(const TrackedParameters& parameters) const;

    static constexpr size_t kLooksMax = 1024;
    static constexpr size_t kFindingsMax = 4096;
    static constexpr uint32_t kLinesPerSecond = 20;
    static constexpr uint32_t kEventsPerSecond = 2;
    static constexpr Instant kNeverLooks{std::numeric_limits<int64_t>::max()};

    WorkerContext& ctx_;
    LeakLimits limits_;
    LeakRegistry registry_;
    std::vector<Finding> findings_;
    RateLimit lines_{kLinesPerSecond};
    RateLimit events_{kEventsPerSecond};
    Instant next_look_ = kNeverLooks;
    bool is_watching_ = false;
};

}  // namespace weir
