// Pool: who waits, and why, for SHOW WAITERS; and what it takes, for SHOW MEMORY.
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "proxy/pool/pool.h"
#include "proxy/pool/pool_group.h"

namespace weir {

std::vector<Pool::Queued> Pool::queue() const {
    const std::lock_guard lock(mutex_);
    std::vector<Queued> out;
    auto& waiters = const_cast<Pool*>(this)->waiters_;
    for (Waiter* waiter = waiters.front(); waiter != nullptr; waiter = waiters.next(*waiter)) {
        out.push_back({waiter->client, waiter->ticket, waiter->since});
    }
    return out;
}

// In the order in which open_for_waiters() asks.
Pool::Obstacle Pool::obstacle(Instant now) const {
    const std::lock_guard lock(mutex_);
    if (is_paused()) {
        const bool is_one = database_state_.paused.load(std::memory_order_relaxed);
        return {"PAUSE", is_one ? "of this database" : "of all databases"};
    }
    if (is_removed()) return {"backend", "it is no longer configured"};
    if (database_state_.is_opening_held.load(std::memory_order_relaxed))
        return {"takeover", "nothing is opened meanwhile"};
    if (endpoint_ != nullptr && endpoint_->verdict().is_connect_open)
        return {"breaker", "no new connections to this backend"};
    if (ramp_.is_pausing(now)) {
        const auto left_ms = (ramp_.retry_at() - now).count() / 1000;
        return {"server_login_retry",
                fmt::format("{} logins have failed, the next trial is in {} ms{}", ramp_.failures(),
                            left_ms, last_failure_ ? ": " + last_failure_->message : "")};
    }
    if (opening_ > 0 && (opening_ >= waiters_.size() || !ramp_.may_begin(now, opening_)))
        return {"login", fmt::format("{} under way", opening_)};
    if (!has_room(now)) return obstacle_of_size();
    if (must_yield_locked()) return {"fair_shares", "others have less than their share"};
    if (std::optional<Obstacle> full = obstacle_of_caps()) return *full;
    if (opening_ > 0) return {"login", fmt::format("{} under way", opening_)};
    return {"turn", "about to be served"};
}

Pool::Obstacle Pool::obstacle_of_size() const {
    const size_t limit = size_limit();
    if (limit < static_cast<size_t>(settings_.size)) {
        return {"pool_sizing",
                fmt::format("{} connections, and more would slow the server down", total())};
    }
    std::string detail = fmt::format("{} connections of {}", total(), settings_.size);
    if (settings_.reserve > 0) detail += fmt::format(", reserve {}", settings_.reserve);
    return {"pool_size", std::move(detail)};
}

std::optional<Pool::Obstacle> Pool::obstacle_of_caps() const {
    for (const Cap* cap : shared_caps()) {
        if (cap->limit() == 0 || cap->used() < cap->limit()) continue;
        const std::string detail = fmt::format("{} connections of {}", cap->used(), cap->limit());
        if (cap == &database_state_.servers) return Obstacle{"max_db_connections", detail};
        if (cap == &user_state_.servers) return Obstacle{"max_user_connections", detail};
        return Obstacle{"max_connections", detail + " to this backend"};
    }
    return std::nullopt;
}

size_t Pool::memory_bytes() const {
    const std::lock_guard lock(mutex_);
    return sizeof(Pool) + slots_.size() * sizeof(ServerConnection) +
           counters_.capacity() * sizeof(PoolCounters) + latencies_.capacity() * sizeof(PeakEwma) +
           idle_.capacity() * sizeof(IdleList);
}

}  // namespace weir
