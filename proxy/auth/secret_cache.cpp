#include "proxy/auth/secret_cache.h"

namespace weir {

std::optional<SecretString> SecretCache::find(const SecretKey& key, Instant now, Duration ttl) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return std::nullopt;
    const List::iterator entry = found->second;
    if (now - entry->found_at >= ttl) {
        entries_.erase(entry);
        by_key_.erase(found);
        return std::nullopt;
    }
    entries_.splice(entries_.begin(), entries_, entry);
    return entry->secret;
}

void SecretCache::put(const SecretKey& key, SecretString secret, Instant now) {
    const std::lock_guard lock(mutex_);
    const auto known = by_key_.find(key);
    if (known != by_key_.end()) {
        entries_.splice(entries_.begin(), entries_, known->second);
        known->second->secret = std::move(secret);
        known->second->found_at = now;
        return;
    }
    if (entries_.size() >= entries_max_) {
        by_key_.erase(entries_.back().key);
        entries_.pop_back();
    }
    entries_.push_front({key, std::move(secret), now});
    by_key_.emplace(key, entries_.begin());
}

void SecretCache::forget(const SecretKey& key) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    entries_.erase(found->second);
    by_key_.erase(found);
}

void SecretCache::clear() {
    const std::lock_guard lock(mutex_);
    by_key_.clear();
    entries_.clear();
}

size_t SecretCache::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

}  // namespace weir
