// Pool: connections that come from, or go to, another process (proxy/takeover).
#include "proxy/pool/pool.h"

namespace weir {

ServerConnection& Pool::adopt(LedgerState state, WorkerId worker, bool is_old,
                              ClientId dedicated_to) {
    const Guard lock(*this);
    for (Cap* cap : shared_caps())
        cap->take();
    ServerConnection& server = take_slot();
    if (is_old) server.epoch = 0;
    if (state == LedgerState::Idle) {
        ++idle_count_;
        idle_[worker].push_front(server);
    } else {
        ++leased_;
    }
    server.reserved_for = dedicated_to;
    if (server.is_dedicated()) {
        ++dedicated_leased_;
        if (is_old) has_obsolete_.store(true, std::memory_order_relaxed);
    }
    set_owner(server, state, worker);
    return server;
}

bool Pool::is_current(const ServerConnection& server) const {
    const std::lock_guard lock(mutex_);
    return server.epoch == epoch_ && !is_removed();
}

void Pool::forget(ServerConnection& server) {
    const Guard lock(*this);
    const ServerOwner owner = server.load_owner();
    WEIR_CHECK(owner.state != LedgerState::Free);
    switch (owner.state) {
        case LedgerState::Idle:
            idle_[owner.worker].remove(server);
            --idle_count_;
            break;
        case LedgerState::Opening: --opening_; break;
        default: --leased_; break;
    }
    if (server.is_dedicated())
        --(owner.state == LedgerState::Opening ? dedicated_opening_ : dedicated_leased_);
    if (server.is_leaving) {
        --leaving_;
        for (Cap* cap : shared_caps())
            cap->left();
    }
    server.reset();
    set_owner(server, LedgerState::Free, kNoWorker);
    free_slots_.push_back(server.slot);
    release_shared();
}

}  // namespace weir
