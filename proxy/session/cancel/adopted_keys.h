// AdoptedKeys: the cancel keys that sessions were given by an earlier process (weir -R) and that
// their clients go on using. Empty unless this process has taken over from another. Whether the
// secret is right is for the session to find out.
// Thread: any; one mutex, taken by cancel requests and by the end of adopted sessions only.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "protocol/base/ids.h"
#include "protocol/message/cancel_key.h"

namespace weir {

class AdoptedKeys {
  public:
    void insert(const CancelKey& key, ClientId client) {
        const std::lock_guard lock(mutex_);
        clients_.insert_or_assign(key.word(), client);
        count_.store(clients_.size(), std::memory_order_release);
    }
    void erase(const CancelKey& key) {
        const std::lock_guard lock(mutex_);
        clients_.erase(key.word());
        count_.store(clients_.size(), std::memory_order_release);
    }
    // Whose key it is; nothing when no earlier process gave it.
    [[nodiscard]] std::optional<ClientId> find(const CancelKey& key) const {
        if (count_.load(std::memory_order_acquire) == 0) return std::nullopt;
        const std::lock_guard lock(mutex_);
        const auto found = clients_.find(key.word());
        if (found == clients_.end()) return std::nullopt;
        return found->second;
    }

  private:
    mutable std::mutex mutex_;
    std::unordered_map<uint64_t, ClientId> clients_;
    std::atomic<size_t> count_{0};
};

}  // namespace weir
