// PeakEwma: a latency that jumps up at once and comes down slowly (Finagle's P2C load metric: decay
// 10 s, started at 30 ms so that an unknown endpoint is neither flooded nor shunned).
// No allocation. Owner: one per endpoint. Thread: add() the owner's, us() any (explanations).
#pragma once

#include <atomic>

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
        const double before = us();
        const double after =
            sample > before ? sample : before + ewma_weight(dt, kDecay) * (sample - before);
        value_us_.store(after, std::memory_order_relaxed);
        last_ = std::max(last_, now);
    }
    [[nodiscard]] double us() const { return value_us_.load(std::memory_order_relaxed); }

  private:
    std::atomic<double> value_us_{kSeedUs};  // single writer
    Instant last_;
};

}  // namespace weir
