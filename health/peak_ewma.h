// PeakEwma: a latency that jumps up at once and comes down slowly (Finagle's P2C load metric: decay
// 10 s, started at 30 ms so that an unknown endpoint is neither flooded nor shunned).
// Pure; no allocation. Owner: one per endpoint. Thread: the owner's.
#pragma once

#include "health/ewma.h"
#include "protocol/base/clock.h"

namespace weir {

class PeakEwma {
  public:
    static constexpr Duration kDecay = std::chrono::seconds(10);
    static constexpr double kSeedUs = 30'000;

    void add(Duration latency, Instant now) {
        const auto sample = static_cast<double>(std::max<int64_t>(latency.count(), 0));
        const Duration dt = last_.is_never() ? Duration(0) : now - last_;
        value_us_ = sample > value_us_ ? sample
                                       : value_us_ + ewma_weight(dt, kDecay) * (sample - value_us_);
        last_ = std::max(last_, now);
    }
    [[nodiscard]] double us() const { return value_us_; }

  private:
    double value_us_ = kSeedUs;
    Instant last_;
};

}  // namespace weir
