// Clients: the time limits of a session, and what becomes of one that is over them.
#include "protocol/message/writer.h"
#include "proxy/session/clients.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/leasing.h"
#include "proxy/session/login/client_login.h"
#include "proxy/session/relay/relay.h"
#include "proxy/session/routing.h"
#include "proxy/session/throttle.h"

namespace weir {

namespace {

constexpr Duration kSuspendedLook = std::chrono::seconds(1);

// It replicates, which has no end that could be late: what is meant for queries does not apply.
bool is_streaming(const ClientSession& session) {
    return session.replication == Replication::Physical ||
           session.server->tracker.copy_state() == CopyState::Both;
}

uint32_t to_ms(Duration d) {
    return static_cast<uint32_t>(d.count() / 1000);
}

}  // namespace

void Clients::refresh_timeouts(ClientSession& session) {
    if (session.pool == nullptr) return;
    const Config& config = *ctx_.config;
    const DatabaseConfig database = session.pool->database();
    session.timeouts.query_wait_ms =
        to_ms(effective_query_wait_timeout(config, database, session.user));
    session.timeouts.query_ms = to_ms(effective_query_timeout(config, session.user));
    session.timeouts.transaction_ms = to_ms(effective_transaction_timeout(config, session.user));
    session.timeouts.idle_transaction_ms =
        to_ms(effective_idle_transaction_timeout(config, session.user));
    session.timeouts.client_idle_ms = to_ms(effective_client_idle_timeout(config, session.user));
}

std::optional<Error> Clients::overdue(const ClientSession& session, Instant* next) const {
    std::optional<Error> out;
    *next = {};
    const auto limit = [&](uint32_t after_ms, Instant from, const char* text) {
        if (after_ms == 0 || from.is_never()) return;
        const Instant due = from + std::chrono::milliseconds(after_ms);
        if (due <= ctx_.now) {
            if (!out) out.emplace("08P01", text);
        } else if (next->is_never() || due < *next) {
            *next = due;
        }
    };
    const uint32_t login_ms = to_ms(ctx_.config->global.client_login_timeout);
    const auto look = [&](Instant at) {
        if (!at.is_never() && (next->is_never() || at < *next)) *next = at;
    };
    switch (session.phase) {
        case ClientPhase::Startup:
        case ClientPhase::Authenticating:
            limit(login_ms, session.connected_at, "client_login_timeout");
            break;
        case ClientPhase::AuthWait:
            limit(login_ms, session.connected_at, "client_login_timeout");
            limit(session.timeouts.query_wait_ms, session.requested_at, "query_wait_timeout");
            break;
        case ClientPhase::LoginWait:
            limit(login_ms, session.connected_at, "client_login_timeout (server down)");
            limit(session.timeouts.query_wait_ms, session.requested_at, "query_wait_timeout");
            look(ctx_.routing->next_look(session));
            break;
        case ClientPhase::Waiting:
            look(ctx_.routing->next_look(session));
            if (!session.is_wait_told) look(tell_wait_at(session));
            limit(session.timeouts.query_wait_ms, session.requested_at, "query_wait_timeout");
            limit(session.timeouts.query_ms, session.requested_at, "query_timeout");
            break;
        case ClientPhase::Active: {
            const ProtocolTracker& tracker = session.server->tracker;
            if (is_streaming(session)) {
                look(ctx_.now + std::chrono::seconds(1));
                break;
            }
            // With nothing running, look again later: a query does not arm anything when it is
            // sent.
            const Instant query_from = tracker.pending() > 0 ? session.query_from : ctx_.now;
            limit(session.timeouts.query_ms, query_from, "query timeout");
            const bool is_open =
                tracker.status() != TransactionStatus::Idle || tracker.pending() > 0;
            limit(session.timeouts.transaction_ms, is_open ? session.transaction_from : ctx_.now,
                  "transaction timeout");
            if (tracker.status() != TransactionStatus::Idle && tracker.pending() == 0) {
                limit(session.timeouts.idle_transaction_ms, session.quiet_since,
                      "idle transaction timeout");
            }
            break;
        }
        case ClientPhase::Idle:
            limit(session.timeouts.client_idle_ms, session.quiet_since, "client_idle_timeout");
            break;
        default: break;
    }
    return out;
}

// When a client that waits for a server is told so; never = not at all.
Instant Clients::tell_wait_at(const ClientSession& session) const {
    const int after_s = ctx_.config->global.query_wait_notify_s;
    return after_s > 0 ? session.requested_at + std::chrono::seconds(after_s) : Instant{};
}

void Clients::tell_wait(ClientSession& session) {
    const Instant at = tell_wait_at(session);
    if (session.phase != ClientPhase::Waiting || session.is_wait_told || at.is_never()) return;
    if (ctx_.now < at) return;
    session.is_wait_told = true;
    std::string text;
    write_notice(text, {.severity = "NOTICE",
                        .sqlstate = "00000",
                        .message = "No server connection available in postgres backend, client "
                                   "being queued"});
    send(session, text);
}

void Clients::arm(ClientSession& session) {
    const bool has_limits = session.phase != ClientPhase::Active ||
                            (session.timeouts.query_ms | session.timeouts.transaction_ms |
                             session.timeouts.idle_transaction_ms) != 0;
    if (!has_limits) return;
    Instant next;
    if (overdue(session, &next)) next = ctx_.now;
    if (!next.is_never()) ctx_.deadlines.arm(session, next);
}

// queue_error = keep: the request has failed and not the session. True when it was so.
bool Clients::reject_overdue_wait(ClientSession& session) {
    const Duration most = std::chrono::milliseconds(session.timeouts.query_wait_ms);
    if (ctx_.config->global.queue_error != QueueError::Keep) return false;
    if (session.phase != ClientPhase::Waiting || most.count() == 0) return false;
    if (ctx_.now - session.requested_at < most) return false;
    ctx_.leasing->leave_queue(session);
    ctx_.relay->reject_request(
        session, Error("53300", "no server connection was free in time (query_wait_timeout)"));
    return true;
}

void Clients::on_deadline(ClientSession& session) {
    if (session.phase == ClientPhase::Closing || session.phase == ClientPhase::CancelRequest) {
        return free(session);
    }
    if (session.is_suspended) return ctx_.deadlines.arm(session, ctx_.now + kSuspendedLook);
    if (session.phase == ClientPhase::Refused) return session.login->authentication().on_deadline();
    if (session.phase == ClientPhase::Throttled) return ctx_.throttle->on_deadline(session);
    if (reject_overdue_wait(session)) return;
    const uint32_t life = session.generation;
    tell_wait(session);
    if (session.generation != life) return;
    Instant next;
    if (const std::optional<Error> error = overdue(session, &next)) {
        if (is_logging_in(session)) ctx_.leaks->on_half_login(session);
        return fail(session, *error);
    }
    if (ctx_.routing->on_deadline(session)) return;
    if (!next.is_never()) ctx_.deadlines.arm(session, next);
}

}  // namespace weir
