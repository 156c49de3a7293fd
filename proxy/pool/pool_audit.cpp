// Pool: its ledger as others see it.
#include "proxy/pool/pool.h"

namespace weir {

Pool::Counts Pool::counts() const {
    const std::lock_guard lock(mutex_);
    return counts_locked();
}

Pool::Counts Pool::counts_locked() const {
    const Waiter* oldest = const_cast<Pool*>(this)->waiters_.front();
    return {idle_count_,
            leased_,
            opening_,
            waiters_.size(),
            oldest == nullptr ? Instant{} : oldest->since,
            ramp_.is_failing()};
}

Pool::Audit Pool::audit() const {
    const std::lock_guard lock(mutex_);
    Audit out;
    out.counts = counts_locked();
    for (const auto& slot : slots_) {
        const uint64_t owner = slot->owner.load(std::memory_order_relaxed);
        switch (ServerOwner::unpack(owner).state) {
            case LedgerState::Free: ++out.free; continue;
            case LedgerState::Idle: ++out.idle; continue;
            case LedgerState::Leased: ++out.leased; break;
            case LedgerState::Opening: ++out.opening; break;
        }
        out.lent.push_back({slot.get(), owner});
    }
    for (const IdleList& list : idle_)
        out.listed_idle += list.size();
    out.listed_free = free_slots_.size();
    return out;
}

}  // namespace weir
