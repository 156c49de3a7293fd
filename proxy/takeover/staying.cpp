#include "proxy/takeover/staying.h"

#include "proxy/session/login/client_login.h"

namespace weir {

namespace {

// Nobody else can go on with it: what it was asked for is ours to judge.
bool is_proving(const ClientSession& session) {
    if (session.phase == ClientPhase::AuthWait) return session.login->authentication().has_asked();
    return session.phase == ClientPhase::Authenticating;
}

}  // namespace

Staying::Staying(std::span<WorkerContext* const> workers) : workers_(workers) {
    for (const WorkerContext* worker : workers_) {
        for (const CancelConnection* cancel : worker->cancels->in_hand()) {
            if (!stays(*cancel)) followers_.insert(find(cancel->requester));
        }
    }
}

const ClientSession* Staying::find(ClientId id) const {
    if (id.is_nobody()) return nullptr;
    for (WorkerContext* worker : workers_) {
        if (worker->id == id.worker) return worker->clients_slab.find(id.slot, id.generation);
    }
    return nullptr;
}

bool Staying::stays(const ClientSession& session) const {
    if (session.phase == ClientPhase::CancelRequest) return !followers_.contains(&session);
    return session.phase == ClientPhase::Free || is_proving(session) || is_encrypted(session) ||
           (session.server != nullptr && is_encrypted(*session.server));
}

bool Staying::stays(const CancelConnection& cancel) const {
    return !cancel.is_plain() || (cancel.server != nullptr && stays(*cancel.server));
}

bool Staying::stays(const ServerConnection& server) const {
    const LedgerState state = server.load_owner().state;
    if (state == LedgerState::Opening) {
        const ClientSession* session = server.is_dedicated() ? find(server.reserved_for) : nullptr;
        return session != nullptr && stays(*session);
    }
    return state == LedgerState::Leased && (is_encrypted(server) || server.lookup != nullptr ||
                                            (server.client != nullptr && stays(*server.client)));
}

bool Staying::moves(const ServerConnection& server) const {
    if (is_encrypted(server)) return false;
    switch (server.phase) {
        case ServerPhase::Relaying:
        case ServerPhase::Preparing:
        case ServerPhase::Checking: return server.client != nullptr && !stays(*server.client);
        case ServerPhase::Cleaning: return !server.is_new;
        case ServerPhase::BeingCancelled:
        case ServerPhase::Closing: return true;
        default: return server.load_owner().state == LedgerState::Idle;
    }
}

}  // namespace weir
