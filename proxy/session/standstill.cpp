#include "proxy/session/standstill.h"

#include "proxy/session/clients.h"
#include "proxy/session/servers.h"

namespace weir {

namespace {

constexpr const char* kReason = "suspend_timeout";  // PgBouncer's word

template <typename Connection>
bool has_nothing(const Connection& connection) {
    return connection.held.empty() && connection.outbox.empty() &&
           !connection.parser.is_mid_message();
}

}  // namespace

Standstill::Progress Standstill::stop(ClientSession& session) {
    switch (session.phase) {
        case ClientPhase::Free:
        case ClientPhase::Closing:
        case ClientPhase::CancelRequest:
        case ClientPhase::Console: return Progress::Ignored;
        case ClientPhase::Idle:
        case ClientPhase::Active: break;
        default: return Progress::Moving;  // it waits for something that is still to come
    }
    if (!session.is_suspended && has_nothing(session)) {
        session.is_suspended = true;
        ctx_.clients->set_interest(session, false, session.writes);
    }
    return session.is_suspended ? Progress::Still : Progress::Moving;
}

// A server stands still after its client: what the client has sent before must reach it.
Standstill::Progress Standstill::stop(ServerConnection& server) {
    if (server.phase == ServerPhase::Closing) return Progress::Ignored;
    if (server.phase != ServerPhase::Relaying || server.client == nullptr) return Progress::Moving;
    if (!server.is_suspended && server.client->is_suspended && has_nothing(server)) {
        server.is_suspended = true;
        ctx_.servers->set_interest(server, false, server.writes);
    }
    return server.is_suspended ? Progress::Still : Progress::Moving;
}

size_t Standstill::hold(bool is_over) {
    size_t moving = 0;
    for (uint32_t slot = 0; slot < ctx_.clients_slab.capacity(); ++slot) {
        ClientSession& session = *ctx_.clients_slab.at(slot);
        if (stop(session) != Progress::Moving) continue;
        if (is_over) {
            ctx_.clients->fail(session, Error("08P01", kReason));
        } else {
            ++moving;
        }
    }
    std::vector<ServerConnection*> late;
    for (ServerConnection* server = ctx_.owned.front(); server != nullptr;
         server = ctx_.owned.next(*server)) {
        if (stop(*server) == Progress::Moving) late.push_back(server);
    }
    if (!is_over) return moving + late.size();
    for (ServerConnection* server : late) {
        if (server->OwnedHook::is_linked() && server->phase != ServerPhase::Closing)
            ctx_.servers->close(*server, kReason);
    }
    return 0;
}

void Standstill::release() {
    for (uint32_t slot = 0; slot < ctx_.clients_slab.capacity(); ++slot) {
        ClientSession& session = *ctx_.clients_slab.at(slot);
        if (!session.is_suspended) continue;
        session.is_suspended = false;
        ctx_.clients->set_interest(session, true, session.writes);
    }
    for (ServerConnection* server = ctx_.owned.front(); server != nullptr;
         server = ctx_.owned.next(*server)) {
        if (!server->is_suspended) continue;
        server->is_suspended = false;
        ctx_.servers->set_interest(*server, true, server->writes);
    }
}

}  // namespace weir
