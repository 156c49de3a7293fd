// Cap: a count with a limit, shared by pools or sessions (per database, per user, all clients).
// `starved` says that somebody was refused and should be told when a unit comes free.
// Thread: any (atomics; on log-in and connect paths only).
#pragma once

#include <atomic>

#include "protocol/base/check.h"

namespace weir {

class Cap {
  public:
    // 0 = unlimited. Lowering it below what is in use takes nothing away.
    void set_limit(int limit) { limit_.store(limit, std::memory_order_relaxed); }
    [[nodiscard]] int limit() const { return limit_.load(std::memory_order_relaxed); }
    [[nodiscard]] int used() const { return used_.load(std::memory_order_relaxed); }

    // Takes a unit; false when the limit is reached.
    bool try_reserve() {
        const int max = limit();
        int used = used_.load(std::memory_order_relaxed);
        do {
            if (max > 0 && used >= max) return false;
        } while (!used_.compare_exchange_weak(used, used + 1, std::memory_order_acq_rel));
        return true;
    }
    // Takes a unit whatever the limit: its holder is there already.
    void take() { used_.fetch_add(1, std::memory_order_acq_rel); }
    void release() {
        const int before = used_.fetch_sub(1, std::memory_order_acq_rel);
        WEIR_CHECK(before > 0);
    }
    [[nodiscard]] bool is_over() const { return limit() > 0 && used() > limit(); }

    // Units in use whose holder has been told to go: they come free by themselves.
    void leave() { leaving_.fetch_add(1, std::memory_order_relaxed); }
    void left() { leaving_.fetch_sub(1, std::memory_order_relaxed); }
    [[nodiscard]] int leaving() const { return leaving_.load(std::memory_order_relaxed); }

    std::atomic<bool> starved{false};

  private:
    std::atomic<int> limit_{0};
    std::atomic<int> used_{0};
    std::atomic<int> leaving_{0};
};

}  // namespace weir
