#include "proxy/session/leak_watch.h"

#include <algorithm>
#include <utility>

#include "proxy/session/cancel/cancels.h"
#include "proxy/session/clients.h"

namespace weir {

namespace {

// Those of a lease; the others are found where they happen.
constexpr LeakKind kLeaseKinds[] = {LeakKind::IdleTransaction, LeakKind::Hold,   LeakKind::Pin,
                                    LeakKind::IdleSession,     LeakKind::Orphan, LeakKind::Buffer};

// PostgreSQL cuts application_name at this length, too.
constexpr size_t kShownNameBytesMax = 63;

std::string with_port(const std::string& host, uint16_t port) {
    const bool has_colon = host.find(':') != std::string::npos;
    return (has_colon ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace

void LeakWatch::configure() {
    limits_ = LeakLimits::of(ctx_.config->global);
    const bool was_watching = is_watching_;
    is_watching_ = limits_.has_lease_rules();
    if (is_watching_ && !was_watching) {
        // Of what was leased until now nothing was noted.
        for (ServerConnection* server = ctx_.owned.front(); server != nullptr;
             server = ctx_.owned.next(*server)) {
            server->trace.begin(server->requested_at);
        }
    }
    // Once more when the last rule goes: what is open ends.
    next_look_ = is_watching_ || was_watching ? ctx_.now : kNeverLooks;
}

void LeakWatch::look() {
    next_look_ = is_watching_ ? ctx_.now + limits_.look_interval() : kNeverLooks;
    ctx_.shared.looked_at_us[ctx_.id].store(ctx_.now.us, std::memory_order_relaxed);
    for (size_t left = std::min(ctx_.owned.size(), kLooksMax); left > 0; --left) {
        // To the back of the list first: what is done about it may take it out.
        ServerConnection* server = ctx_.owned.pop_front();
        if (server == nullptr) break;
        ctx_.owned.push_back(*server);
        look_at(*server);
    }
}

// ---- one lease ----

void LeakWatch::look_at(ServerConnection& server) {
    const LeaseFacts facts = facts_of(server);
    const LeakVerdict verdict = judge_lease(facts, limits_, ctx_.now);
    for (const LeakKind kind : kLeaseKinds) {
        const bool is_found = !verdict.of(kind).is_never();
        const bool is_open = (server.trace.open & bit_of(kind)) != 0;
        if (is_found && !is_open) find(server, kind, verdict.of(kind), facts);
        if (!is_found && is_open) end_kind(server, kind);
    }
    look_at_statements(server);
    if (verdict.action != LeakAction::None) act(server, verdict);
}

LeaseFacts LeakWatch::facts_of(ServerConnection& server) {
    LeaseFacts facts;
    LeaseTrace& trace = server.trace;
    const ClientSession* session = server.client;
    if (session == nullptr) {
        if (server.phase == ServerPhase::Cleaning || server.phase == ServerPhase::Closing)
            facts.orphaned_at = trace.orphaned_at;
        return facts;
    }
    const ProtocolTracker& tracker = server.tracker;
    facts.has_client = true;
    facts.is_session_pooling = session->pool_mode == PoolMode::Session;
    facts.is_answer_owed = tracker.pending() > 0;
    facts.is_cancelled = trace.cancelled_work == session->transaction_from;
    facts.checked_out = trace.checked_out;
    facts.work_since = session->transaction_from;
    facts.quiet_since = session->quiet_since;
    if (tracker.status() == TransactionStatus::InTransaction) facts.pin(Pin::Transaction);
    if (tracker.status() == TransactionStatus::Failed) facts.pin(Pin::FailedTransaction);
    if (tracker.copy_state() != CopyState::None) facts.pin(Pin::Copy);
    if (tracker.is_unsynced()) facts.pin(Pin::OpenBatch);
    if (session->parser.is_mid_message()) facts.pin(Pin::HalfMessage);

    // Its input is not read, so the end of it goes unnoticed.
    const bool is_gone =
        limits_.orphan.count() > 0 && !session->reads && ctx_.io.is_peer_gone(session->fd);
    if (!is_gone) trace.gone_since = {};
    if (is_gone && trace.gone_since.is_never()) trace.gone_since = ctx_.now;
    facts.gone_since = trace.gone_since;
    if (session->replication != Replication::None) {
        // A stream lasts, and its client may be slow: all that can be a leak is that it is gone.
        LeaseFacts streaming;
        streaming.has_client = true;
        streaming.gone_since = facts.gone_since;
        return streaming;
    }

    const bool is_hoarding = unread_bytes(server) > limits_.buffer;
    if (!is_hoarding) trace.unread_since = {};
    if (is_hoarding && trace.unread_since.is_never()) trace.unread_since = ctx_.now;
    facts.unread_since = trace.unread_since;
    return facts;
}

// What the client has not taken yet, here and in the kernel, when the server is stopped for it.
size_t LeakWatch::unread_bytes(const ServerConnection& server) {
    const ClientSession& session = *server.client;
    if (session.outbox.empty() || server.reads) return 0;
    return session.outbox.size() + ctx_.io.unsent_bytes(session.fd);
}

void LeakWatch::find(ServerConnection& server, LeakKind kind, Instant since,
                     const LeaseFacts& facts) {
    server.trace.open = static_cast<uint16_t>(server.trace.open | bit_of(kind));
    LeakReport report = report_of(server, kind);
    report.since = since;
    report.reason = pin_text(facts);
    if (kind == LeakKind::Orphan) report.reason = "the client is gone";
    if (facts.has(Pin::Transaction) || facts.has(Pin::FailedTransaction))
        report.transaction_since = facts.work_since;
    if (facts.has_client) report.unread_bytes = unread_bytes(server);
    if (findings_.size() >= kFindingsMax) report.state = LeakState::Noted;
    const uint64_t client_id = report.client_id;
    const uint32_t row = add(std::move(report));
    if (findings_.size() >= kFindingsMax) return;
    findings_.push_back({.kind = kind,
                         .row = row,
                         .server = &server,
                         .client = {},
                         .since = since,
                         .client_id = client_id});
}

void LeakWatch::act(ServerConnection& server, const LeakVerdict& verdict) {
    mark_killed(server, verdict.action_kind);
    ClientSession& session = *server.client;
    switch (verdict.action) {
        case LeakAction::None: return;
        case LeakAction::EndTransaction:
            return ctx_.clients->fail(
                session,
                Error("25P03", "terminating connection due to idle-in-transaction timeout"));
        case LeakAction::EndSession:
            return ctx_.clients->fail(
                session, Error("57P05", "terminating connection due to idle-session timeout"));
        case LeakAction::CloseHoarder:
            return ctx_.clients->fail(session, Error("08006", "client does not read its results"));
        case LeakAction::CloseOrphan: return ctx_.clients->close(session, "client is gone");
        case LeakAction::CancelQuery:
            if (server.phase != ServerPhase::Relaying || !server.backend_key.is_set()) return;
            server.trace.cancelled_work = session.transaction_from;
            return ctx_.cancels->start(server, {});
    }
}

// Bounded by max_prepared_statements, so told once of each connection.
void LeakWatch::look_at_statements(ServerConnection& server) {
    if (limits_.statements == 0 || server.statements.size() <= limits_.statements) return;
    if (server.trace.is_growth_reported) return;
    server.trace.is_growth_reported = true;
    LeakReport report = report_of(server, LeakKind::Statements);
    report.state = LeakState::Noted;
    report.reason = "of one server";
    report.prepared_statements = server.statements.size();
    add(std::move(report));
}

void LeakWatch::begin_orphan(ServerConnection& server, const ClientSession& session) {
    server.trace.orphaned_at = ctx_.now;
    server.trace.orphan_of = session.peer;
}

// ---- the end of findings ----

void LeakWatch::mark_killed(const ServerConnection& server, LeakKind kind) {
    for (Finding& finding : findings_) {
        if (finding.server == &server && finding.kind == kind) finding.is_killed = true;
    }
}

void LeakWatch::end_kind(ServerConnection& server, LeakKind kind) {
    server.trace.open = static_cast<uint16_t>(server.trace.open & ~bit_of(kind));
    std::erase_if(findings_, [&](const Finding& finding) {
        if (finding.server != &server || finding.kind != kind) return false;
        end(finding);
        return true;
    });
}

void LeakWatch::end_lease(ServerConnection& server) {
    for (const LeakKind kind : kLeaseKinds) {
        if ((server.trace.open & bit_of(kind)) != 0) end_kind(server, kind);
    }
}

void LeakWatch::end(const Finding& finding) {
    const Duration after = ctx_.now - finding.since;
    const LeakState how = finding.is_killed ? LeakState::Killed : LeakState::Released;
    registry_.end(finding.row, finding.kind, how, after, ctx_.now);
    log_line(finding.kind, to_string(how),
             fmt::format("{} {} after {}: C-{:#x}", code_of(finding.kind), to_string(how),
                         leak_seconds(after), finding.client_id));
}

// ---- statements and logins ----

void LeakWatch::find_growth(ClientSession& session) {
    if (session.has_leak || findings_.size() >= kFindingsMax) return;
    session.has_leak = true;
    LeakReport report = report_of(session, LeakKind::Statements);
    report.reason = "of one client";
    const uint64_t client_id = report.client_id;
    const uint32_t row = add(std::move(report));
    findings_.push_back({.kind = LeakKind::Statements,
                         .row = row,
                         .client = session.client_id(),
                         .since = ctx_.now,
                         .client_id = client_id});
}

void LeakWatch::end_growth(ClientSession& session) {
    session.has_leak = false;
    std::erase_if(findings_, [&](const Finding& finding) {
        if (finding.server != nullptr || !(finding.client == session.client_id())) return false;
        end(finding);
        return true;
    });
}

void LeakWatch::on_refused(const ClientSession& session) {
    LeakReport report = report_of(session, LeakKind::Statements);
    report.state = LeakState::Killed;
    report.reason = "of one client, above leak_statements_max";
    add(std::move(report));
}

void LeakWatch::on_half_login(const ServerConnection& server) {
    LeakReport report = report_of(server, LeakKind::HalfLogin);
    report.state = LeakState::Killed;
    report.reason = server.phase == ServerPhase::Connecting ? "connecting to a server"
                                                            : "logging in to a server";
    report.checked_out = {};
    report.since = server.connected_at;
    report.released_after = ctx_.now - server.connected_at;
    add(std::move(report));
}

void LeakWatch::on_half_login(const ClientSession& session) {
    LeakReport report = report_of(session, LeakKind::HalfLogin);
    report.state = LeakState::Killed;
    report.reason = "login of a client";
    report.since = session.connected_at;
    report.released_after = ctx_.now - session.connected_at;
    add(std::move(report));
}

// ---- telling ----

std::string LeakWatch::application_name(const TrackedParameters& parameters) const {
    const int index = ctx_.shared.names.index_of("application_name");
    return shown_text(parameters.get(static_cast<size_t>(index)), kShownNameBytesMax);
}

LeakReport LeakWatch::report_of(const ClientSession& session, LeakKind kind) const {
    LeakReport report;
    report.kind = kind;
    report.client_id = session.id;
    report.client_addr = session.peer.text();
    report.application_name = application_name(session.parameters);
    report.user = session.user;
    report.database = session.database;
    report.since = ctx_.now;
    if (session.statements != nullptr) report.prepared_statements = session.statements->size();
    return report;
}

LeakReport LeakWatch::report_of(const ServerConnection& server, LeakKind kind) const {
    LeakReport report;
    if (server.client != nullptr) {
        report = report_of(*server.client, kind);
    } else {
        report.kind = kind;
        report.application_name = application_name(server.parameters);
        report.user = server.pool->key().user;
        report.database = server.pool->key().database;
        if (!server.trace.orphaned_at.is_never())
            report.client_addr = server.trace.orphan_of.text();
    }
    report.server_id = server.id;
    report.server_addr = server.address.is_set() && !server.address.is_unix()
                             ? with_port(server.address.host(), server.address.port())
                             : with_port(server.host, server.port);
    report.server_pid = server.backend_pid();
    report.checked_out = server.trace.checked_out;
    report.first_query = normalise_query(server.trace.first);
    report.last_query = normalise_query(server.trace.last_query());
    report.digest = query_digest(report.last_query);
    return report;
}

uint32_t LeakWatch::add(LeakReport report) {
    report.first_seen = report.last_seen = ctx_.now;
    log_line(report.kind, "found", leak_text(report, ctx_.now));
    return registry_.add(std::move(report));
}

// A client can bring about as many findings as it likes.
void LeakWatch::log_line(LeakKind kind, const char* event, const std::string& text) {
    if (events_.admit(ctx_.now)) {
        post_event(ctx_, {ProcessEvent::Kind::Leak, ctx_.now, code_of(kind), event, text});
    }
    const auto suppressed = lines_.admit(ctx_.now);
    if (!suppressed) return;
    if (*suppressed > 0) return log::warning("LEAK {} ({} lines suppressed)", text, *suppressed);
    log::warning("LEAK {}", text);
}

}  // namespace weir
