// LoginRamp: how many log-ins a pool may have under way, and when the next may begin.
//
// A PostgreSQL log-in costs a process. One at a time at first; each good one allows one more, up to
// eight; each failure halves that and doubles a pause from 100 ms up to 5 s, with jitter, so that a
// server which has just come up is not met by everybody at once.
// Pure; no allocation. Owner: whoever outlives pools, one per (endpoint, database, user): it must
// survive a pool's restart and RELOAD, or each of these would be a new stampede. Under the pool's
// lock. Thread: the owner's.
#pragma once

#include <algorithm>
#include <cstdint>

#include "health/jitter.h"
#include "protocol/base/clock.h"
#include "protocol/base/random.h"

namespace weir {

struct LoginRampOptions {
    uint32_t burst_max = 8;
    Duration backoff = std::chrono::milliseconds(100);
    Duration backoff_max = std::chrono::seconds(5);
    uint32_t jitter_percent = 20;  // added
};

// A pool's connections, counted.
struct PoolDemand {
    uint32_t waiting = 0;
    uint32_t idle = 0;
    uint32_t total = 0;  // idle, in use, and logging in
    uint32_t logging_in = 0;
    uint32_t target = 0;
    uint32_t min = 0;  // to be had even if nobody waits
};

class LoginRamp {
  public:
    explicit LoginRamp(const LoginRampOptions& options = {}) : options_(options) {}
    void configure(const LoginRampOptions& options) {
        options_ = options;
        burst_ = std::clamp<uint32_t>(burst_, 1, std::max<uint32_t>(options.burst_max, 1));
    }

    void on_success() {
        burst_ = std::min(burst_ + 1, std::max<uint32_t>(options_.burst_max, 1));
        failures_ = 0;
    }
    void on_failure(Instant now, Prng& random) {
        burst_ = std::max<uint32_t>(burst_ / 2, 1);
        const Duration longest = std::max(options_.backoff_max, Duration(0));
        const Duration first = std::clamp(options_.backoff, Duration(0), longest);
        const uint32_t doublings = std::min<uint32_t>(failures_, 20);
        // Compared by division: the product could be too large.
        const Duration pause = first > longest / (int64_t{1} << doublings)
                                   ? longest
                                   : first * (int64_t{1} << doublings);
        retry_at_ = now + jittered_up(pause, options_.jitter_percent, random);
        ++failures_;
    }

    // How many log-ins to start now: for those who wait while nothing is idle, and for the least
    // number of connections. Never past the target, nor more at once than the burst.
    [[nodiscard]] uint32_t grow_count(Instant now, const PoolDemand& pool) const {
        if (failures_ > 0 && now < retry_at_) return 0;
        uint32_t wanted = 0;
        if (pool.waiting > pool.logging_in && pool.idle == 0) {
            wanted = pool.waiting - pool.logging_in;
        }
        wanted = std::max(wanted, pool.min > pool.total ? pool.min - pool.total : 0);
        const uint32_t room = pool.target > pool.total ? pool.target - pool.total : 0;
        const uint32_t burst = burst_ > pool.logging_in ? burst_ - pool.logging_in : 0;
        return std::min({wanted, room, burst});
    }

    [[nodiscard]] uint32_t burst() const { return burst_; }
    [[nodiscard]] uint32_t failures() const { return failures_; }
    // Meaningful after a failure: when the next log-in may begin.
    [[nodiscard]] Instant retry_at() const { return retry_at_; }

  private:
    LoginRampOptions options_;
    uint32_t burst_ = 1;
    uint32_t failures_ = 0;
    Instant retry_at_;
};

}  // namespace weir
