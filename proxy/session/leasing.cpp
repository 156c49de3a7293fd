#include "proxy/session/leasing.h"

#include <algorithm>

#include "conf/logging.h"
#include "protocol/message/writer.h"
#include "proxy/pool/refusals.h"
#include "proxy/session/clients.h"
#include "proxy/session/dedicated.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/login/client_login.h"
#include "proxy/session/login/secret_lookups.h"
#include "proxy/session/relay/query_recorder.h"
#include "proxy/session/routing.h"
#include "proxy/session/servers.h"
#include "proxy/session/throttle.h"

namespace weir {

bool Leasing::request(ClientSession& session) {
    if (!session.resumes_wait) session.requested_at = ctx_.now;
    session.resumes_wait = false;
    session.is_wait_told = false;
    session.reroutes = 0;
    if (!ctx_.routing->choose(session)) {
        ctx_.routing->hold(session);
        return false;
    }
    if (const std::optional<Error> known = ctx_.routing->refused_everywhere(session)) {
        ctx_.routing->settle(session);
        refuse(session, *known);
        return false;
    }
    return ask(session);
}

bool Leasing::ask(ClientSession& session) {
    if (session.opening != nullptr) ctx_.dedicated->on_client_gone(session);
    Pool::Acquired got = session.pool->acquire(session, ctx_.id, ctx_.now, session.requested_at);
    if (got.refused) {
        refuse(session, *got.refused);
        return false;
    }
    if (got.is_queued) {
        session.phase = session.login != nullptr ? ClientPhase::LoginWait : ClientPhase::Waiting;
        ctx_.clients->arm(session);
        if (log::is_enabled(LogLevel::Debug)) log::debug(log_peer(ctx_, session), "pause_client");
        if (got.open != nullptr) ctx_.servers->open(*got.open);
        if (got.evicted != nullptr) evict(*got.evicted, got.evicted_id);
        if (got.is_starved) {
            ControlMessage message;
            message.kind = ControlMessage::Kind::Evict;
            ctx_.shared.exchange.post_control(std::move(message));
        }
        return false;
    }
    adopt(*got.server);
    if (session.login != nullptr) {
        finish_login(session, *got.server);
        return false;
    }
    if (!ctx_.routing->still_serves(session, *got.server)) {
        decline(session, *got.server);
        return false;
    }
    return link(session, *got.server, session.requested_at);
}

void Leasing::refuse(ClientSession& session, const Error& known) {
    ctx_.clients->fail(session, cached_refusal(known));
}

// Its worker closes it: here it may only be named.
void Leasing::evict(ServerConnection& server, uint64_t id) {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::CloseServer;
    message.server = &server;
    message.server_id = id;
    message.text = "evicted";
    ctx_.shared.exchange.post(server.load_owner().worker, std::move(message));
}

void Leasing::leave_queue(ClientSession& session) {
    if (session.phase != ClientPhase::Waiting && session.phase != ClientPhase::LoginWait) return;
    // When a grant is on its way already, on_grant finds another ticket and passes the server on.
    session.pool->leave(session, ctx_.now);
    session.Waiter::ticket = 0;
    ctx_.routing->let_go(session);
    ctx_.routing->settle(session);
}

void Leasing::on_grant(const Grant& grant) {
    if (grant.client.is_lookup) return ctx_.lookups->on_grant(grant);
    ServerConnection& server = *grant.server;
    adopt(server);
    ClientSession* session = ctx_.clients_slab.find(grant.client.slot, grant.client.generation);
    const bool is_wanted =
        session != nullptr && session->Waiter::ticket == grant.ticket &&
        (session->phase == ClientPhase::Waiting || session->phase == ClientPhase::LoginWait);
    if (!is_wanted) return give_back(server, false);
    if (log::is_enabled(LogLevel::Debug)) log::debug(log_peer(ctx_, *session), "activate_client");
    if (session->phase == ClientPhase::LoginWait) return finish_login(*session, server);
    if (!ctx_.routing->still_serves(*session, server)) return decline(*session, server);
    if (link(*session, server, grant.waiting_since)) ctx_.clients->schedule(*session);
}

// The login only waited to learn the server's parameters.
void Leasing::finish_login(ClientSession& session, ServerConnection& server) {
    session.Waiter::ticket = 0;
    session.phase = ClientPhase::Authenticating;
    ctx_.routing->settle(session);
    session.login->welcome(server.welcome);
    give_back(server, false);
}

// What a server says of itself may be older than the verdict: it tells of a promotion with its next
// answer only. A new connection will say how it is.
void Leasing::decline(ClientSession& session, ServerConnection& server) {
    if (server.pool->is_of_a_standby(server)) {
        ctx_.servers->close(server, "says that it is a hot standby, and is judged the primary");
    } else {
        give_back(server, false);
    }
    ctx_.routing->reroute(session);
}

void Leasing::on_wait_failed(const Grant& grant, const Error& error) {
    if (grant.client.is_lookup) return ctx_.lookups->on_wait_failed(grant, error);
    ClientSession* session = ctx_.clients_slab.find(grant.client.slot, grant.client.generation);
    if (session == nullptr || session->Waiter::ticket != grant.ticket) return;
    if (!ctx_.routing->on_wait_failed(*session)) ctx_.clients->fail(*session, error);
}

void Leasing::adopt(ServerConnection& server) {
    if (server.registered_with != ctx_.id) {
        const Watch watch = Servers::watch_of(server);
        server.reads = true;
        server.writes = false;
        const Interest interest = WorkerContext::interest(server);
        if (server.registered_with != kNoWorker) {
            Io& before = ctx_.shared.exchange.io(server.registered_with);
            ctx_.io.take(before, server.fd, watch, interest);
        } else {
            ctx_.io.add(server.fd, watch, interest);
        }
        server.registered_with = ctx_.id;
    }
    if (!server.OwnedHook::is_linked()) ctx_.owned.push_back(server);
}

bool Leasing::link(ClientSession& session, ServerConnection& server, Instant waiting_since) {
    WEIR_CHECK(session.server == nullptr && server.client == nullptr);
    WEIR_CHECK(server.is_clean());
    session.Waiter::ticket = 0;
    session.phase = ClientPhase::Active;
    session.server = &server;
    session.transaction_from = session.query_from = ctx_.now;
    server.client = &session;
    server.may_forget = server.may_set = false;
    server.has_served = true;
    server.requested_at = ctx_.now;
    ctx_.leaks->on_checkout(server);
    ctx_.recorder->on_checkout(server, ctx_.now - waiting_since);
    PoolCounters& counters = ctx_.counters(*session.pool);
    counters.server_assignments.add(1);
    ctx_.routing->note_begun(session, server);
    const Duration waited = ctx_.now - waiting_since;
    counters.wait_us.add(static_cast<uint64_t>(waited.count()));
    counters.histograms.get().wait.record(waited);
    if (session.timeouts.query_ms != 0 || session.timeouts.transaction_ms != 0)
        ctx_.clients->arm(session);
    if (session.welcome != server.welcome) tell_new_welcome(session, server);
    return send_prologue(session, server);
}

// What must go to the server before the client's first byte. True when that is nothing.
bool Leasing::send_prologue(ClientSession& session, ServerConnection& server) {
    const GlobalConfig& global = ctx_.config->global;
    const bool was_idle_long =
        !server.idle_since.is_never() && ctx_.now - server.idle_since > global.server_check_delay;
    if (was_idle_long && !global.server_check_query.empty()) {
        server.phase = ServerPhase::Checking;
        server.idle_since = {};
        std::string check;
        write_query(check, global.server_check_query == "<empty>" ? "" : global.server_check_query);
        server.unnamed_of = {};  // a simple query drops it
        server.tracker.sent(Request::Query, Origin::Proxy);
        ctx_.servers->send(server, check);
        return false;
    }
    if (!(session.parameters == server.parameters)) {
        const std::string set =
            make_set_query(ctx_.shared.names, session.parameters, server.parameters);
        if (!set.empty()) {
            server.phase = ServerPhase::Preparing;
            server.is_own_query_failed = false;
            std::string query;
            write_query(query, set);
            server.unnamed_of = {};
            server.tracker.sent(Request::Query, Origin::Proxy);
            ctx_.servers->send(server, query);
            return false;
        }
        session.parameters = server.parameters;  // the same, in the server's spelling
    }
    server.phase = ServerPhase::Relaying;
    return true;
}

void Leasing::on_prologue_done(ServerConnection& server) {
    ClientSession& session = *server.client;
    if (server.is_own_query_failed) {
        server.is_own_query_failed = false;
        if (server.phase == ServerPhase::Checking)
            return ctx_.servers->close(server, "server check failed");
        return ctx_.clients->fail(session, Error("08P01", "invalid server parameter"));
    }
    if (server.phase == ServerPhase::Preparing) session.parameters = server.parameters;
    if (send_prologue(session, server)) ctx_.clients->schedule(session);
}

// A server that says other things of itself than the one the client logged in through (after an
// upgrade).
void Leasing::tell_new_welcome(ClientSession& session, const ServerConnection& server) {
    if (session.welcome != nullptr && server.welcome != nullptr) {
        std::string text;
        for (const auto& [name, value] : server.welcome->parameters) {
            if (ctx_.shared.names.index_of(name) >= 0) continue;
            const auto& told = session.welcome->parameters;
            const std::pair<std::string, std::string> parameter(name, value);
            if (std::find(told.begin(), told.end(), parameter) != told.end()) continue;
            write_parameter_status(text, name, value);
        }
        ctx_.sends.settle(session.fd);
        session.outbox.append(as_bytes(text));
        // Sent when the socket says it is writable, in front of the first reply: nothing is read
        // from the server while something waits for the client.
        if (!text.empty()) ctx_.clients->set_interest(session, session.reads, true);
    }
    session.welcome = server.welcome;
}

void Leasing::release_from(ClientSession& session) {
    ServerConnection& server = *session.server;
    ctx_.note_hold_end(server);
    session.server = nullptr;
    server.client = nullptr;
    session.phase = ClientPhase::Idle;
    session.quiet_since = ctx_.now;
    ctx_.routing->settle(session);
    Throttle::end(session, ctx_.now);
    if (session.timeouts.client_idle_ms != 0) ctx_.clients->arm(session);
    if (session.is_leaving) ctx_.clients->schedule(session);
    if (ctx_.config->global.server_reset_query_always &&
        !ctx_.config->global.server_reset_query.empty()) {
        server.is_reset_needed = true;
        return begin_cleaning(server);
    }
    give_back(server, false);
}

void Leasing::orphan(ClientSession& session) {
    ServerConnection& server = *session.server;
    if (server.is_dedicated()) return ctx_.dedicated->end(session);
    const bool is_mid_message = session.parser.is_mid_message() && !session.is_discarding_body;
    ctx_.leaks->on_orphaned(server, session);
    ctx_.note_hold_end(server);
    ctx_.recorder->on_abandoned(session, server);
    session.server = nullptr;
    server.client = nullptr;
    session.phase = ClientPhase::Idle;
    ctx_.routing->settle(session);
    server.is_reset_needed =
        (session.pool_mode == PoolMode::Session || ctx_.config->global.server_reset_query_always) &&
        !ctx_.config->global.server_reset_query.empty();
    server.is_stream_forwarded = server.is_suspended = false;
    if (!server.reads) ctx_.servers->set_interest(server, true, server.writes);
    if (is_mid_message)
        return ctx_.servers->close(server, "client disconnect in the middle of a message");
    begin_cleaning(server);
}

void Leasing::begin_cleaning(ServerConnection& server) {
    server.phase = ServerPhase::Cleaning;
    server.requested_at = ctx_.now;
    server.clean_by = ctx_.now + std::max(ctx_.config->global.cancel_wait_timeout,
                                          Duration(std::chrono::seconds(5)));
    ctx_.servers->clean(server);
}

void Leasing::give_back(ServerConnection& server, bool is_new) {
    WEIR_CHECK(server.client == nullptr);
    if (server.is_dedicated()) return ctx_.dedicated->begin(server);
    ctx_.sends.settle(server.fd);  // nothing that wants an answer: Flush, or the end of a COPY
    if (!server.outbox.empty()) return ctx_.servers->close(server, "server is not clean");
    if (WEIR_BUG(!server.is_clean())) return ctx_.servers->close(server, "server is not clean");
    ctx_.leaks->on_parting(server);
    if (server.cancels_in_flight > 0) {
        server.phase = ServerPhase::BeingCancelled;
        return;
    }
    server.phase = ServerPhase::Ready;
    ctx_.deadlines.disarm(server);
    if (!server.reads || server.writes) ctx_.servers->set_interest(server, true, false);
    ctx_.owned.remove(server);
    const Pool::Released released = server.pool->release(server, ctx_.id, ctx_.now, is_new);
    switch (released.kind) {
        case Pool::Released::Kind::Idle: break;
        case Pool::Released::Kind::Granted: deliver(released.grant); break;
        case Pool::Released::Kind::MustClose:
            ctx_.owned.push_back(server);
            ctx_.servers->close(server, released.reason);
            break;
    }
    if (released.open != nullptr) ctx_.servers->open(*released.open);
}

void Leasing::deliver(const Grant& grant) {
    if (grant.client.worker == ctx_.id) {
        ctx_.grants.push_back(grant);
    } else {
        ctx_.shared.exchange.post_grant(grant);
    }
}

}  // namespace weir
