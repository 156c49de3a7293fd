#include "proxy/takeover/staying.h"

namespace weir {

namespace {

// Nobody else can go on with it: the challenge was ours.
bool is_proving(const ClientSession& session) {
    return session.phase == ClientPhase::Authenticating || session.phase == ClientPhase::AuthWait;
}

}  // namespace

bool stays(const ClientSession& session) {
    return session.phase == ClientPhase::Free || is_proving(session) || is_encrypted(session) ||
           (session.server != nullptr && is_encrypted(*session.server));
}

// One that is not for a session, or not ready for any yet, stays.
bool moves(const ServerConnection& server) {
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

// It is at work here, and goes on with that.
bool stays(const ServerConnection& server) {
    return server.load_owner().state == LedgerState::Leased &&
           server.phase != ServerPhase::BeingCancelled &&
           (is_encrypted(server) || (server.client != nullptr && stays(*server.client)));
}

}  // namespace weir
