// LoginRamp: how many log-ins a pool may have under way, and when the next may begin.
//
// A PostgreSQL log-in costs a process. A pool that has never failed may have as many under way as
// login_burst says. A failure halves that, and each good log-in allows one more, so that a server
// which has just come up is not met by everybody at once. After a failure comes a pause, 100 ms
// at first (a restart of the server must not cost its clients 15 s), doubled by each failure up to
// server_login_retry, up to a fifth less by chance; then one trial at a time until one succeeds.
// Log-ins that fail while a pause runs had begun before it: they are the same failure and make it
// no longer.
//
// Pure; no allocation. Owner: a pool, which lives as long as the process: what was learned survives
// RELOAD. Under the pool's lock. Thread: the owner's.
#pragma once

#include <algorithm>
#include <cstdint>

#include "protocol/base/clock.h"
#include "protocol/base/random.h"

namespace weir {

struct LoginRampOptions {
    uint32_t burst_max = 8;
    Duration backoff = std::chrono::milliseconds(100);
    Duration backoff_max = std::chrono::seconds(5);
    uint32_t jitter_percent = 20;  // taken off
};

class LoginRamp {
  public:
    explicit LoginRamp(const LoginRampOptions& options = {})
        : options_(options), burst_(std::max<uint32_t>(options.burst_max, 1)) {}
    void configure(const LoginRampOptions& options) {
        const uint32_t most = std::max<uint32_t>(options.burst_max, 1);
        const bool was_full = burst_ >= std::max<uint32_t>(options_.burst_max, 1);
        burst_ = was_full ? most : std::min(burst_, most);
        options_ = options;
    }

    void on_success() {
        burst_ = std::min(burst_ + 1, std::max<uint32_t>(options_.burst_max, 1));
        failures_ = 0;
    }
    void on_failure(Instant now, Prng& random) {
        burst_ = std::max<uint32_t>(burst_ / 2, 1);
        if (is_pausing(now)) return;
        const Duration longest = std::max(options_.backoff_max, Duration(0));
        const Duration first = std::clamp(options_.backoff, Duration(0), longest);
        const uint32_t doublings = std::min<uint32_t>(failures_, 20);
        // Compared by division: the product could be too large.
        const Duration pause = first > longest / (int64_t{1} << doublings)
                                   ? longest
                                   : first * (int64_t{1} << doublings);
        const uint64_t most_off = static_cast<uint64_t>(pause.count() / 100) *
                                  std::min<uint32_t>(options_.jitter_percent, 100);
        retry_at_ = now + (pause - Duration(static_cast<int64_t>(random.below(most_off + 1))));
        ++failures_;
    }

    // What has failed does not count any more; how many may be under way has to be earned again.
    void forgive() { failures_ = 0; }

    // May one more begin, with so many under way?
    [[nodiscard]] bool may_begin(Instant now, size_t logging_in) const {
        if (is_failing() && logging_in > 0) return false;
        return logging_in < burst_ && !is_pausing(now);
    }
    [[nodiscard]] bool is_failing() const { return failures_ > 0; }
    [[nodiscard]] bool is_pausing(Instant now) const { return failures_ > 0 && now < retry_at_; }

    [[nodiscard]] uint32_t burst() const { return burst_; }
    // In a row, those of one moment counted once.
    [[nodiscard]] uint32_t failures() const { return failures_; }
    // Meaningful after a failure: when the next log-in may begin.
    [[nodiscard]] Instant retry_at() const { return retry_at_; }

  private:
    LoginRampOptions options_;
    uint32_t burst_;
    uint32_t failures_ = 0;
    Instant retry_at_;
};

}  // namespace weir
