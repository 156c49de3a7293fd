// Pool: connections that are opened for one session alone (replication).
#include <algorithm>

#include "proxy/pool/pool.h"

namespace weir {

bool Pool::begin_dedicated(ServerConnection& server, Waiter& waiter, WorkerId me, Instant now) {
    const Guard lock(*this);
    const ServerOwner owner = server.load_owner();
    WEIR_CHECK(owner.worker == me && owner.state == LedgerState::Opening);
    const bool is_wanted = waiter.is_linked() && waiter.ticket == server.reserved_ticket &&
                           server.epoch == epoch_ && !database_state_.removed.load() &&
                           !is_out_of_service();
    if (!is_wanted) return false;
    --opening_;
    --dedicated_opening_;
    ++leased_;
    ++dedicated_leased_;
    set_owner(server, LedgerState::Leased, me);
    ramp_.on_success();
    retry_at_us_.store(0, std::memory_order_relaxed);
    last_failure_.reset();
    forget_waiter(waiter);
    sizing_.note_queue(!waiters_.empty(), now);
    return true;
}

// There must be one.
Waiter& Pool::first_shared_waiter() {
    Waiter* waiter = waiters_.front();
    while (waiter->wants_dedicated)
        waiter = waiters_.next(*waiter);
    return *waiter;
}

// The first waiter for whom no connection is being opened yet: those that are not dedicated are for
// whoever comes first. As many are passed over as are opening, at the most.
Waiter* Pool::next_to_open_for() {
    size_t shared = opening_ - std::min(opening_, dedicated_opening_);
    for (Waiter* waiter = waiters_.front(); waiter != nullptr; waiter = waiters_.next(*waiter)) {
        if (waiter->is_opening) continue;
        if (waiter->wants_dedicated || shared == 0) return waiter;
        --shared;
    }
    return nullptr;
}

bool Pool::is_full(Instant now) const {
    const auto caps = shared_caps();
    return !has_room(now) || std::any_of(caps.begin(), caps.end(), [](const Cap* cap) {
        return cap->limit() > 0 && cap->used() >= cap->limit();
    });
}

// Somebody waits for a dedicated connection, nothing is on its way out for that, and there is no
// room.
bool Pool::lacks_room_for_dedicated(Instant now) const {
    if (is_paused() || is_removed()) return false;
    return dedicated_waiting_ > dedicated_opening_ + leaving_ && is_full(now);
}

// The connection that comes back goes, if it is the turn of one who wants a dedicated one. A new
// one serves those first who are there to be served.
bool Pool::makes_room_for_dedicated(Instant now, bool is_new) {
    if (!lacks_room_for_dedicated(now) || (is_new && shared_waiting() > 0)) return false;
    const Waiter* waiter = next_to_open_for();
    return waiter != nullptr && waiter->wants_dedicated;
}

void Pool::evict_for_dedicated(Instant now, Acquired& out) {
    if (idle_count_ == 0 || !lacks_room_for_dedicated(now)) return;
    ServerConnection& server = *oldest_idle();
    const WorkerId home = server.load_owner().worker;
    lease_idle(server, home, home);
    mark_leaving(server);
    out.evicted = &server;
    out.evicted_id = server.id;
    out.is_starved = false;
}

}  // namespace weir
