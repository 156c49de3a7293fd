#include "proxy/session/relay/evidence.h"

namespace weir {

namespace {

// A failure counts for the endpoint, and decides a trial that its client may be.
void report(const WorkerContext& ctx, const ServerConnection& server, Outcome outcome) {
    Endpoint& endpoint = *server.pool->endpoint();
    ClientSession* session = server.client;
    if (session != nullptr && !session->trial_taken_at.is_never()) {
        endpoint.report_trial({session->trial_taken_at}, outcome, ctx.now);
        session->trial_taken_at = {};
        return;
    }
    endpoint.report_failure(outcome, ctx.now);
}

Outcome outcome_of_login(const WorkerContext& ctx, const ServerConnection& server,
                         const Error& failure) {
    if (server.phase == ServerPhase::Securing && failure.sqlstate == "08001")
        return Outcome::TlsFailure;
    if (failure.sqlstate != "08006") return classify_sqlstate(failure.sqlstate, {.is_login = true});
    const Duration limit = ctx.config->global.server_connect_timeout;
    const bool is_late = limit.count() > 0 && ctx.now >= server.connected_at + limit;
    if (server.phase == ServerPhase::LoggingIn || server.phase == ServerPhase::Securing)
        return is_late ? Outcome::LoginTimeout : Outcome::ConnectionLost;
    return is_late ? Outcome::ConnectTimeout : Outcome::ConnectRefused;
}

}  // namespace

void note_login(const WorkerContext& ctx, const ServerConnection& server) {
    if (Endpoint* endpoint = server.pool->endpoint()) endpoint->report_login(ctx.id);
}

void note_login_failure(const WorkerContext& ctx, const ServerConnection& server,
                        const Error& failure) {
    const Outcome outcome = outcome_of_login(ctx, server, failure);
    if (is_capacity_signal(outcome)) server.pool->note_capacity_signal();
    if (server.pool->endpoint() != nullptr) report(ctx, server, outcome);
}

void note_hot_standby(const WorkerContext& ctx, ServerConnection& server, std::string_view value) {
    server.is_hot_standby = value == "on";
    server.is_known_writable = value == "off";
    if (Endpoint* endpoint = server.pool->endpoint())
        endpoint->note_hot_standby(server.is_hot_standby, ctx.now);
}

void note_latency(const WorkerContext& ctx, const ServerConnection& server, Duration latency) {
    Endpoint* endpoint = server.pool->endpoint();
    if (endpoint == nullptr) return;
    endpoint->report_latency(ctx.id, latency);
    server.pool->latencies()[ctx.id].add(latency, ctx.now);
}

void note_transaction(const WorkerContext& ctx, ServerConnection& server) {
    Endpoint* endpoint = server.pool->endpoint();
    if (endpoint == nullptr) return;
    ClientSession* session = server.client;
    if (session == nullptr || session->trial_taken_at.is_never())
        return endpoint->report_success(ctx.id);
    endpoint->report_trial({session->trial_taken_at}, Outcome::Success, ctx.now);
    session->trial_taken_at = {};
}

void note_error(const WorkerContext& ctx, ServerConnection& server, const ErrorView& error) {
    if (error.severity == "FATAL" || error.severity == "PANIC") server.has_said_why = true;
    const Endpoint* endpoint = server.pool->endpoint();
    if (endpoint == nullptr) return;
    const Outcome outcome = classify_sqlstate(
        error.sqlstate, {.is_login = false,
                         .is_believed_primary = endpoint->verdict().role == Role::Primary,
                         .is_known_writable = server.is_known_writable});
    if (evidence_of(outcome) != Evidence::None) report(ctx, server, outcome);
}

void note_lost(const WorkerContext& ctx, const ServerConnection& server) {
    if (server.pool->endpoint() == nullptr || server.has_said_why) return;
    report(ctx, server, Outcome::ConnectionLost);
}

}  // namespace weir
