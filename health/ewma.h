// Ewma: a mean that forgets with time, not with the number of samples.
//
// A sample that comes dt after the last one weighs 1 - exp(-dt/tau), so that a busy and a quiet
// endpoint forget equally fast; but never less than weight_min, or else of thousands of samples per
// second each would weigh nothing and the mean would follow late.
// Pure; no allocation. Thread: the owner's.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "protocol/base/clock.h"

namespace weir {

// 1 - exp(-dt/tau); 1 for a tau of zero. A dt below zero counts as zero.
[[nodiscard]] inline double ewma_weight(Duration dt, Duration tau) {
    if (tau.count() <= 0) return 1.0;
    const double passed = static_cast<double>(std::max<int64_t>(dt.count(), 0));
    return -std::expm1(-passed / static_cast<double>(tau.count()));
}

class Ewma {
  public:
    // Without a seed the first sample is the value.
    Ewma() = default;
    explicit Ewma(double seed) : value_(seed), is_empty_(false) {}

    void add(double sample, Instant now, Duration tau, double weight_min) {
        add_many(sample, 1, now, tau, weight_min);
    }

    // The same as `count` samples of this mean, evenly spread since the last call. weight_min makes
    // no mean shorter than tau_min.
    void add_many(double mean, uint64_t count, Instant now, Duration tau, double weight_min,
                  Duration tau_min = {}) {
        if (count == 0) return;
        if (is_empty_) {
            value_ = mean;
            is_empty_ = false;
        } else {
            // The first sample after a seed: its distance to nothing is unknown, it counts as one
            // tau/2 later, about a probe's interval.
            const Duration dt = last_.is_never() ? tau / 2 : now - last_;
            const Duration step = dt / static_cast<int64_t>(count);
            const double least = std::min(weight_min, ewma_weight(step, tau_min));
            const double each = std::max(ewma_weight(step, tau), least);
            const double all =
                count == 1 ? each : 1.0 - std::pow(1.0 - each, static_cast<double>(count));
            value_ += all * (mean - value_);
        }
        last_ = std::max(last_, now);
    }

    [[nodiscard]] bool is_empty() const { return is_empty_; }
    [[nodiscard]] double value() const { return value_; }  // 0 while empty
    void reset(double value, Instant now) {
        value_ = value;
        is_empty_ = false;
        last_ = now;
    }

  private:
    double value_ = 0;
    Instant last_;
    bool is_empty_ = true;
};

}  // namespace weir
