// Pool: when it needs nobody to look at it, and until when; see WakeList.
#include <algorithm>

#include "proxy/pool/pool.h"
#include "proxy/pool/pool_group.h"

namespace weir {

void Pool::wake() {
    const std::lock_guard lock(mutex_);
    wake_locked();
}

void Pool::wake_locked() {
    if (is_awake_ || wakes_ == nullptr) return;
    is_awake_ = true;
    wakes_->add(*this);
}

bool Pool::is_vacant() const {
    const std::lock_guard lock(mutex_);
    return total() == 0 && waiters_.empty();
}

// min_pool_size or a trial asks for one more, whether or not it may be opened now.
bool Pool::is_below_min() const {
    const bool keeps_min =
        group_.clients.load(std::memory_order_relaxed) > 0 || settings_.has_forced_user;
    if (is_trial_wanted_ && total() == 0 && !is_paused() && !is_removed() &&
        !database_state_.removed.load() && group_.has_credentials()) {
        return true;
    }
    if (!keeps_min || is_paused() || is_removed() || database_state_.removed.load()) return false;
    return staying() < static_cast<size_t>(std::max(settings_.size_min, 0)) &&
           group_.has_credentials();
}

// Whatever changes one of these wakes it: acquire() and the like by what they do to the counts,
// configure(), a client that comes or goes, RESUME.
bool Pool::may_sleep(Instant now, Instant* due) {
    const std::lock_guard lock(mutex_);
    const bool is_at_rest = leased_ == 0 && opening_ == 0 && leaving_ == 0 && waiters_.empty();
    if (!is_at_rest || is_below_min() || !sizing_.is_settled()) return false;
    if (capacity_signals_.load(std::memory_order_relaxed) != 0) return false;
    // The verdict about a backend may change at any time, and its connections with it.
    if (endpoint_ != nullptr && idle_count_ > 0) return false;
    const ShareState& shares = database_state_.shares;
    if (shares.is_contended.load(std::memory_order_relaxed) ||
        shares.owed.load(std::memory_order_relaxed) > 0) {
        return false;
    }
    *due = next_due();
    if (!due->is_never() && *due <= now) return false;
    is_awake_ = false;
    return true;
}

// Of its idle connections, or, when it has none, of the pool itself.
Instant Pool::next_due() {
    Instant due;
    const auto consider = [&due](Instant at) {
        if (due.is_never() || at < due) due = at;
    };
    if (idle_count_ == 0) {
        const Instant end = group_.idle_end();
        if (!end.is_never()) consider(end);
        return due;
    }
    const bool may_shrink = settings_.idle_timeout.count() > 0 &&
                            staying() > static_cast<size_t>(std::max(settings_.size_min, 0));
    const Duration spacing = settings_.size > 0 ? settings_.lifetime / settings_.size : Duration(0);
    for (IdleList& list : idle_) {
        if (list.empty()) continue;
        if (may_shrink) consider(list.back()->idle_since + settings_.idle_timeout);
        if (settings_.lifetime.count() == 0) continue;
        for (ServerConnection* server = list.front(); server != nullptr;
             server = list.next(*server)) {
            const Instant end =
                server->connected_at + std::min(settings_.lifetime, server->lifetime);
            consider(std::max(end, last_lifetime_close_ + spacing));
        }
    }
    return due;
}

}  // namespace weir
