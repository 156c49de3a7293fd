// Pool: its size and its fair share, as the control thread looks after them.
#include <algorithm>

#include "proxy/pool/pool.h"
#include "proxy/pool/pool_group.h"

namespace weir {

// ---- size ----

// Leased to somebody who works with it.
uint32_t Pool::in_use() const {
    return static_cast<uint32_t>(leased_ - std::min(leased_, leaving_));
}

void Pool::resize(Instant now) {
    const std::lock_guard lock(mutex_);
    if (!sizing_.is_due(now)) return;
    PoolTotals totals;
    for (const PoolCounters& counters : counters_)
        totals.add(counters);
    const uint32_t signals = capacity_signals_.exchange(0, std::memory_order_relaxed);
    sizing_.update(
        now, {in_use(), static_cast<uint32_t>(waiters_.size()), static_cast<uint32_t>(staying())},
        totals, signals);
}

Pool::SizeView Pool::size_view() const {
    const std::lock_guard lock(mutex_);
    SizeView out;
    out.mode = settings_.sizing;
    out.in_use = static_cast<uint32_t>(leased_);
    out.idle = static_cast<uint32_t>(idle_count_);
    out.waiting = static_cast<uint32_t>(waiters_.size());
    out.opening = static_cast<uint32_t>(opening_);
    out.target = sizing_.target();
    out.ceiling = sizing_.ceiling();
    out.min = settings_.size_min;
    out.max = settings_.size;
    if (share_ != kNoShare) out.share = share_;
    out.burst = ramp_.burst();
    out.failures = ramp_.failures();
    if (ramp_.is_failing()) out.retry_at = ramp_.retry_at();
    return out;
}

// ---- fair share ----

Pool::ShareClaim Pool::share_claim(Instant now) {
    const std::lock_guard lock(mutex_);
    ShareClaim out;
    out.wanted = sizing_.demand(now);
    out.is_used = out.wanted > 0 || total() > 0 || !waiters_.empty();
    if (settings_.is_session_pooling) out.pinned = in_use();
    out.wanted -= std::min(out.wanted, out.pinned);
    if (settings_.size > 0) out.max = static_cast<uint32_t>(settings_.size + settings_.reserve);
    return out;
}

void Pool::set_share(std::optional<int> share) {
    const std::lock_guard lock(mutex_);
    share_ = share.value_or(kNoShare);
}

Pool::ShareNeed Pool::share_need(Instant now) const {
    const std::lock_guard lock(mutex_);
    if (waiters_.size() <= opening_ || is_paused() || is_out_of_service()) return {};
    if (endpoint_ != nullptr && endpoint_->verdict().is_connect_open) return {};
    if (!ramp_.may_begin(now, opening_) || !has_room(now)) return {};
    for (const Cap* cap : shared_caps()) {
        const bool is_full = cap->limit() > 0 && cap->used() >= cap->limit();
        if (is_full && cap != &database_state_.servers) return {};
    }
    size_t wanted = waiters_.size() - opening_;
    wanted = std::min(wanted, std::max<size_t>(size_limit() - std::min(total(), size_limit()), 1));
    if (ramp_.is_failing()) wanted = 1;
    const size_t has = staying();
    const auto share = static_cast<size_t>(std::max(share_, 0));
    return {std::min(wanted, modest_share() - std::min(modest_share(), has)),
            std::min(wanted, share - std::min(share, has))};
}

bool Pool::has_share() const {
    const std::lock_guard lock(mutex_);
    return share_ != kNoShare && staying() >= modest_share();
}

bool Pool::is_within_share_locked() const {
    return share_ != kNoShare && staying() <= static_cast<size_t>(share_);
}

bool Pool::is_within_share() const {
    const std::lock_guard lock(mutex_);
    return is_within_share_locked();
}

bool Pool::must_yield_locked() const {
    return database_state_.shares.is_contended.load(std::memory_order_relaxed) &&
           staying() >= modest_share();
}

bool Pool::must_yield() const {
    const std::lock_guard lock(mutex_);
    return must_yield_locked();
}

// Others wait for a unit of a shared limit. Of max_db_connections they get none that is part of our
// fair share as long as they have theirs.
bool Pool::is_wanted_elsewhere() const {
    const bool keeps_share = is_within_share_locked() &&
                             !database_state_.shares.is_contended.load(std::memory_order_relaxed);
    const auto caps = shared_caps();
    return std::any_of(caps.begin(), caps.end(), [&](const Cap* cap) {
        if (!cap->starved.load(std::memory_order_acquire)) return false;
        return !keeps_share || cap != &database_state_.servers;
    });
}

// The ceiling has fallen: this one is to be closed, if it is its turn.
bool Pool::is_above_ceiling() {
    if (settings_.size == 0 || size_limit() >= static_cast<size_t>(settings_.size)) return false;
    return sizing_.take_surplus(staying());
}

// More than its share, while somebody with less waits: this one goes.
bool Pool::gives_back_for_others(ServerConnection& server) {
    if (database_state_.shares.owed.load(std::memory_order_relaxed) <= 0) return false;
    if (share_ == kNoShare || is_within_share_locked()) return false;
    if (!database_state_.shares.take_owed()) return false;
    mark_leaving(server);  // at once: what is owed is reckoned without those on their way
    return true;
}

}  // namespace weir
