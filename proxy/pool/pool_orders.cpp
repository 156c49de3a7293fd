// Pool: what PAUSE, RESUME, RECONNECT and RELOAD make of it.
#include <algorithm>

#include "proxy/pool/pool.h"

namespace weir {

std::optional<Grant> Pool::match_waiter(Instant now) {
    const Guard lock(*this);
    if (is_paused() || shared_waiting() == 0 || idle_count_ == 0) return std::nullopt;
    Waiter& waiter = first_shared_waiter();
    const WorkerId to = waiter.client.worker;
    ServerConnection* server = pop_idle(to);
    const WorkerId home = server->load_owner().worker;
    lease_idle(*server, home, to);
    return grant_to(waiter, *server, now);
}

void Pool::take_waiters(std::vector<Grant>& out, Instant now) {
    while (Waiter* waiter = waiters_.front()) {
        forget_waiter(*waiter);
        out.push_back({waiter->client, waiter->ticket, nullptr, waiter->since});
    }
    sizing_.note_queue(false, now);
}

std::vector<Grant> Pool::take_waiters(Instant now) {
    const Guard lock(*this);
    std::vector<Grant> out;
    take_waiters(out, now);
    return out;
}

void Pool::configure(const PoolSettings& settings, const DatabaseConfig& database) {
    const std::lock_guard lock(mutex_);
    wake_locked();
    settings_ = settings;
    database_ = database;
    LoginRampOptions ramp;
    ramp.burst_max = static_cast<uint32_t>(std::max(settings.login_burst, 1));
    ramp.backoff_max = settings.login_retry;
    ramp_.configure(ramp);
    sizing_.configure(settings.sizing, static_cast<uint32_t>(std::max(settings.size_min, 0)),
                      static_cast<uint32_t>(std::max(settings.size, 0)));
}

void Pool::recycle() {
    const std::lock_guard lock(mutex_);
    epoch_.fetch_add(1, std::memory_order_relaxed);
    if (leased_ + opening_ > 0) has_obsolete_.store(true, std::memory_order_relaxed);
}

size_t Pool::obsolete() const {
    const std::lock_guard lock(mutex_);
    const auto count = std::count_if(slots_.begin(), slots_.end(), [this](const auto& slot) {
        return slot->load_owner().state != LedgerState::Free && is_obsolete(*slot);
    });
    return static_cast<size_t>(count);
}

void Pool::set_removed(bool is_removed) {
    is_removed_.store(is_removed, std::memory_order_relaxed);
}

DatabaseConfig Pool::database() const {
    const std::lock_guard lock(mutex_);
    return database_;
}

}  // namespace weir
