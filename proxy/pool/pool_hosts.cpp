// Pool: which host of a list is connected to (PgBouncer's lists, all of whose hosts are equal;
// routed databases have a pool for each backend instead).
#include <algorithm>

#include "proxy/pool/pool.h"

namespace weir {

namespace {

constexpr Duration kDeadForMin = std::chrono::seconds(1);

}  // namespace

size_t Pool::next_host(size_t count, Instant now) {
    const std::lock_guard lock(mutex_);
    // load_balance_hosts = disable keeps to one until it fails.
    const bool is_sticky = database_.load_balance_hosts == LoadBalanceHosts::Disable;
    const auto is_dead = [this, now](size_t host) {
        return host < host_dead_until_.size() && now < host_dead_until_[host];
    };
    for (size_t i = 0; i < count; ++i) {
        const size_t host = (host_cursor_ + i) % count;
        if (is_dead(host)) continue;
        host_cursor_ = is_sticky ? host : host + 1;
        return host;
    }
    // All of them: one after the other, as if nothing was known.
    return host_cursor_++ % count;
}

bool Pool::note_dead_host(size_t host, Instant now) {
    const size_t count = database_.hosts.size();
    if (count < 2 || host >= count) return false;
    host_dead_until_.resize(count);
    host_dead_until_[host] = now + std::max(settings_.login_retry, kDeadForMin);
    return std::any_of(host_dead_until_.begin(), host_dead_until_.end(),
                       [now](Instant until) { return now >= until; });
}

}  // namespace weir
