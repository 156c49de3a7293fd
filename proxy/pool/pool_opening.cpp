// Pool: when a connection may be opened, and the slot for it.
#include <algorithm>

#include "proxy/pool/pool.h"

namespace weir {

ServerConnection* Pool::open_for_waiters(WorkerId opener, Instant now, bool* is_starved) {
    if (is_paused() || is_removed() || waiters_.size() <= opening_) return nullptr;
    if (database_state_.is_opening_held.load(std::memory_order_relaxed)) return nullptr;
    if (endpoint_ != nullptr && endpoint_->verdict().is_connect_open) return nullptr;
    if (!ramp_.may_begin(now, opening_) || !has_room(now) || must_yield_locked()) return nullptr;
    Waiter* waiter = dedicated_waiting_ == 0 ? nullptr : next_to_open_for();
    if (waiter == nullptr || !waiter->wants_dedicated) return reserve_slot(opener, is_starved);
    ServerConnection* server = reserve_slot(waiter->client.worker, is_starved);
    if (server == nullptr) return nullptr;
    waiter->is_opening = true;
    ++dedicated_opening_;
    server->reserved_for = waiter->client;
    server->reserved_ticket = waiter->ticket;
    return server;
}

ServerConnection* Pool::want_open(WorkerId opener, Instant now) {
    const Guard lock(*this);
    bool is_starved = false;
    if (ServerConnection* server = open_for_waiters(opener, now, &is_starved)) return server;
    if (endpoint_ != nullptr) {
        const EndpointVerdict verdict = endpoint_->verdict();
        if (!takes_work(verdict) || verdict.is_connect_open) return nullptr;
    }
    if (database_state_.is_opening_held.load()) return nullptr;
    if (!is_below_min() || !ramp_.may_begin(now, opening_)) return nullptr;
    if (!has_room(now) || must_yield_locked()) return nullptr;
    // Not worth taking a unit of a shared limit from others: a refusal is not starvation.
    if (reserve_shared() != nullptr) return nullptr;
    release_shared();
    is_trial_wanted_ = false;
    return reserve_slot(opener, &is_starved);
}

// How many connections there may be, without the reserve.
size_t Pool::size_limit() const {
    if (settings_.size == 0) return SIZE_MAX;
    return std::min<size_t>(static_cast<size_t>(settings_.size), sizing_.ceiling());
}

bool Pool::has_room(Instant now) const {
    size_t limit = size_limit();
    // Below pool_size more connections would slow the server down: the reserve is no help then.
    if (settings_.size == 0 || limit < static_cast<size_t>(settings_.size)) return total() < limit;
    const bool may_use_reserve =
        settings_.reserve > 0 && settings_.reserve_timeout.count() > 0 && waiters_.size() > 0;
    if (may_use_reserve) {
        const Waiter* oldest = const_cast<Pool*>(this)->waiters_.front();
        if (now - oldest->since >= settings_.reserve_timeout)
            limit += static_cast<size_t>(settings_.reserve);
    }
    return total() < limit;
}

ServerConnection* Pool::reserve_slot(WorkerId opener, bool* is_starved) {
    if (Cap* full = reserve_shared()) {
        full->starved.store(true, std::memory_order_release);
        *is_starved = true;
        return nullptr;
    }
    ServerConnection& server = take_slot();
    ++opening_;
    set_owner(server, LedgerState::Opening, opener);
    return &server;
}

ServerConnection& Pool::take_slot() {
    if (free_slots_.empty()) {
        slots_.push_back(std::make_unique<ServerConnection>());
        slots_.back()->slot = static_cast<uint32_t>(slots_.size() - 1);
        slots_.back()->pool = this;
        free_slots_.push_back(slots_.back()->slot);
    }
    wake_locked();
    ServerConnection& server = *slots_[free_slots_.back()];
    free_slots_.pop_back();
    server.epoch = epoch_.load();
    return server;
}

bool Pool::is_unreachable() const {
    const std::lock_guard lock(mutex_);
    return is_unreachable_locked();
}

bool Pool::is_unreachable_locked() const {
    return ramp_.is_failing() && idle_count_ == 0 && leased_ == 0;
}

std::optional<Error> Pool::why_unreachable() const {
    const std::lock_guard lock(mutex_);
    if (!is_unreachable_locked()) return {};
    return last_failure_;
}

void Pool::ask_for_trial() {
    const std::lock_guard lock(mutex_);
    if (!ramp_.is_failing() || total() > 0) return;
    is_trial_wanted_ = true;
    wake_locked();
}

}  // namespace weir
