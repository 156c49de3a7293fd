// SecretCache: the secrets that auth_query has found, for auth_query_ttl. Only found ones: to be
// unknown must end as soon as the user exists. Bounded: what was used longest ago goes first.
// Thread: any (one mutex, at login only).
#pragma once

#include <list>
#include <map>
#include <mutex>
#include <optional>

#include "protocol/auth/secret.h"
#include "protocol/base/clock.h"
#include "proxy/auth/secret_key.h"

namespace weir {

class SecretCache {
  public:
    explicit SecretCache(size_t entries_max = 10'000) : entries_max_(entries_max) {}

    // The secret that was found for `key` less than `ttl` ago.
    std::optional<SecretString> find(const SecretKey& key, Instant now, Duration ttl);
    void put(const SecretKey& key, SecretString secret, Instant now);
    void forget(const SecretKey& key);
    // What is asked, or where, has changed.
    void clear();
    [[nodiscard]] size_t size() const;

  private:
    struct Entry {
        SecretKey key;
        SecretString secret;
        Instant found_at;
    };
    using List = std::list<Entry>;

    const size_t entries_max_;
    mutable std::mutex mutex_;
    List entries_;  // last used first
    std::map<SecretKey, List::iterator> by_key_;
};

}  // namespace weir
