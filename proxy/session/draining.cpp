#include "proxy/session/draining.h"

#include "proxy/session/clients.h"

namespace weir {

namespace {

// When its turn is, from 0 to kAll; ids of one pool of clients are neighbours, their turns are not.
uint32_t turn_of(const ClientSession& session) {
    return static_cast<uint32_t>(session.id * 0x9e3779b97f4a7c15ULL >> 54);
}
static_assert(Draining::kAll == 1U << 10, "turn_of() gives ten bits");

}  // namespace

void Draining::on_progress(uint32_t portion) {
    for (uint32_t slot = 0; slot < ctx_.clients_slab.capacity(); ++slot) {
        ClientSession& session = *ctx_.clients_slab.at(slot);
        const bool is_meant = session.pool != nullptr && session.login == nullptr &&
                              session.pool_mode != PoolMode::Session &&
                              session.phase != ClientPhase::Free &&
                              session.phase != ClientPhase::Closing;
        if (!is_meant || turn_of(session) >= portion) continue;
        session.is_leaving = true;
        (void)let_go(session);
    }
}

bool Draining::let_go(ClientSession& session) {
    // What it has sent already is a transaction that it may still do.
    const bool may_go = session.is_leaving && session.phase == ClientPhase::Idle &&
                        session.held.empty() && !session.parser.is_mid_message();
    if (!may_go) return false;
    ctx_.clients->fail(
        session, Error("57P01", "terminating connection because the pooler is shutting down"));
    return true;
}

}  // namespace weir
