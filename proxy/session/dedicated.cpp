#include "proxy/session/dedicated.h"

#include "proxy/session/clients.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/leasing.h"
#include "proxy/session/login/client_login.h"
#include "proxy/session/routing.h"
#include "proxy/session/servers.h"

namespace weir {

// Null when it has ended, or waits for something else by now.
ClientSession* Dedicated::session_of(const ServerConnection& server) {
    const ClientId id = server.reserved_for;
    ClientSession* session = ctx_.clients_slab.find(id.slot, id.generation);
    const bool waits = session != nullptr && session->phase == ClientPhase::LoginWait &&
                       session->Waiter::ticket == server.reserved_ticket;
    return waits ? session : nullptr;
}

bool Dedicated::attach(ServerConnection& server) {
    ClientSession* session = session_of(server);
    if (session == nullptr) return false;
    session->opening = &server;
    server.replication = session->replication;
    return true;
}

std::vector<std::pair<std::string, std::string>> Dedicated::startup_parameters(
    const ServerConnection& server) {
    const ClientSession* session = session_of(server);
    if (session == nullptr) return {};
    return session->login->server_parameters();
}

void Dedicated::begin(ServerConnection& server) {
    ClientSession* session = session_of(server);
    if (session == nullptr) return ctx_.servers->close(server, "replication client disconnected");
    if (!ctx_.routing->still_serves(*session, server)) return decline(*session, server);
    if (!server.pool->begin_dedicated(server, *session, ctx_.id, ctx_.now))
        return ctx_.servers->close(server, "database configuration changed");
    ctx_.deadlines.disarm(server);
    if (!server.reads || server.writes) ctx_.servers->set_interest(server, true, false);
    session->opening = nullptr;
    session->parameters = server.parameters;
    session->welcome = server.welcome;
    ctx_.routing->let_go(*session);
    const bool is_ready = ctx_.leasing->link(*session, server, session->requested_at);
    WEIR_CHECK(is_ready);  // the same parameters, and never idle: nothing to be sent first
    session->login->welcome(server.welcome);
}

// See Leasing::decline.
void Dedicated::decline(ClientSession& session, ServerConnection& server) {
    session.pool->leave(session, ctx_.now);
    detach(server);
    ctx_.servers->close(server, "says that it is a hot standby, and is judged the primary");
    ctx_.routing->reroute(session);
}

// Nobody waits for it any more.
void Dedicated::detach(ServerConnection& server) {
    const ClientId id = server.reserved_for;
    ClientSession* session = ctx_.clients_slab.find(id.slot, id.generation);
    if (session != nullptr && session->opening == &server) session->opening = nullptr;
    server.reserved_ticket = 0;
}

void Dedicated::on_failed(ServerConnection& server, std::string_view reason,
                          const std::optional<Error>& failure) {
    ClientSession* session = session_of(server);
    detach(server);
    if (session == nullptr) return;
    session->pool->leave(*session, ctx_.now);
    const bool was_refused = server.login != nullptr && server.login->was_refused();
    if (failure && !was_refused && ctx_.routing->on_wait_failed(*session)) return;
    session->Waiter::ticket = 0;
    Error error("08P01", std::string(reason));
    if (failure && failure->message != reason)
        error.detail = failure->sqlstate + ": " + failure->message;
    ctx_.clients->fail(*session, error);
}

void Dedicated::on_client_gone(ClientSession& session) {
    ServerConnection& server = *session.opening;
    detach(server);
    ctx_.servers->close(server, "replication client disconnected");
}

void Dedicated::end(ClientSession& session) {
    ServerConnection& server = *session.server;
    ctx_.leaks->on_parting(server);
    ctx_.note_hold_end(server);
    session.server = nullptr;
    server.client = nullptr;
    session.phase = ClientPhase::Idle;
    ctx_.routing->settle(session);
    ctx_.servers->close(server, "replication client was closed");
}

void Dedicated::close_obsolete() {
    std::vector<ServerConnection*> obsolete;
    for (ServerConnection* server = ctx_.owned.front(); server != nullptr;
         server = ctx_.owned.next(*server)) {
        const bool is_meant = server->is_dedicated() && server->phase != ServerPhase::Closing;
        if (is_meant && server->pool->is_obsolete(*server)) obsolete.push_back(server);
    }
    for (ServerConnection* server : obsolete) {
        if (server->OwnedHook::is_linked())
            ctx_.servers->close(*server, "database configuration changed");
    }
}

}  // namespace weir
