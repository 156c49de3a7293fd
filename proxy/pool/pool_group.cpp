#include "proxy/pool/pool_group.h"

#include <algorithm>

namespace weir {

void PoolGroup::set_members(std::unique_ptr<PoolMembers> members) {
    WEIR_CHECK(!members->list.empty());
    const PoolMembers* now = members_.load(std::memory_order_relaxed);
    if (now != nullptr && now->is_routed == members->is_routed && now->list == members->list &&
        now->selection == members->selection &&
        now->read_spill_percent == members->read_spill_percent &&
        now->splits_reads == members->splits_reads) {
        return;
    }
    if (members->is_routed && route_counters_.empty())
        route_counters_ = std::vector<RouteCounters>(members->views.size());
    versions_.push_back(std::move(members));
    members_.store(versions_.back().get(), std::memory_order_release);
}

std::optional<RouteTotals> PoolGroup::route_totals() const {
    if (route_counters_.empty()) return std::nullopt;
    RouteTotals totals;
    for (const RouteCounters& counters : route_counters_)
        totals.add(counters);
    return totals;
}

void PoolGroup::set_credentials(ServerCredentials credentials) {
    if (!replace_credentials(std::move(credentials))) return;
    const PoolMembers* members = members_.load(std::memory_order_acquire);
    if (members == nullptr) return;
    // Not under mutex_: pools ask for credentials while they hold theirs.
    for (const PoolMember& member : members->list)
        member.pool->forget_refusals();
}

bool PoolGroup::replace_credentials(ServerCredentials credentials) {
    const std::lock_guard lock(mutex_);
    // The same secret again must not forget the keys that earlier logins left.
    if (credentials.secret == credentials_.secret && credentials.user == credentials_.user) {
        if (credentials.scram_keys != nullptr) credentials_.scram_keys = credentials.scram_keys;
        if (credentials.derived_keys != nullptr)
            credentials_.derived_keys = credentials.derived_keys;
        return false;
    }
    const bool is_first = credentials_.user.empty();
    credentials_ = std::move(credentials);
    return !is_first;
}

ServerCredentials PoolGroup::credentials() const {
    const std::lock_guard lock(mutex_);
    return credentials_;
}

bool PoolGroup::has_credentials() const {
    const std::lock_guard lock(mutex_);
    return !credentials_.user.empty();
}

std::shared_ptr<const Welcome> PoolGroup::intern(const Welcome& welcome) {
    const std::lock_guard lock(mutex_);
    const auto known = std::find_if(welcomes_.begin(), welcomes_.end(),
                                    [&welcome](const auto& other) { return *other == welcome; });
    if (known != welcomes_.end()) {
        std::rotate(known, known + 1, welcomes_.end());
    } else {
        if (welcomes_.size() == kWelcomesMax) welcomes_.erase(welcomes_.begin());
        welcomes_.push_back(std::make_shared<const Welcome>(welcome));
    }
    return welcomes_.back();
}

std::shared_ptr<const Welcome> PoolGroup::welcome() const {
    const std::lock_guard lock(mutex_);
    return welcomes_.empty() ? nullptr : welcomes_.back();
}

std::vector<std::shared_ptr<const Welcome>> PoolGroup::welcomes() const {
    const std::lock_guard lock(mutex_);
    return welcomes_;
}

void PoolGroup::forget_welcomes() {
    const std::lock_guard lock(mutex_);
    welcomes_.clear();
}

}  // namespace weir
