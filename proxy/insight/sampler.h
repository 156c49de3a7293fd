// Sampler: which of a worker's queries are told. All of them while there are few; above a budget
// one of several, chosen by chance so that no pattern of the traffic meets one of ours, and it
// stands for those that were passed over: weights add up to the number of queries, and rows, bytes
// and times times weight are unbiased estimates. Slow and failed queries are told for themselves,
// with weight 1, within a budget of the same size.
//
// Owner: a worker's QueryRecorder. Thread: the worker's. Costs an addition and a comparison.
#pragma once

#include <algorithm>
#include <cstdint>

#include "protocol/base/clock.h"
#include "protocol/base/random.h"

namespace weir {

class Sampler {
  public:
    explicit Sampler(uint64_t seed) : random_(seed) {}

    void set_budget(uint32_t per_second) {
        budget_ = std::max<uint32_t>(per_second / kWindowsPerSecond, 1);
    }

    // A query has ended. Its weight; 0 = it is passed over.
    uint32_t weigh(bool is_remarkable, Instant now) {
        if (now >= window_end_) begin_window(now);
        if (is_remarkable && remarkable_ < budget_) {
            ++remarkable_;
            return 1;
        }
        ++seen_;
        ++gap_;
        if (gap_ < next_) return 0;
        const uint32_t weight = gap_;
        gap_ = 0;
        // More than was to be expected: fewer of what is still to come.
        if (++taken_ >= budget_) {
            step_ = std::min(step_ * 2, kStepMax);
            taken_ = 0;
        }
        draw();
        return weight;
    }
    // It could not be told: the next one stands for it.
    void put_back(uint32_t weight) {
        gap_ += weight;
        next_ += weight;
    }

  private:
    static constexpr uint32_t kWindowsPerSecond = 10;
    static constexpr Duration kWindow = std::chrono::milliseconds(1000 / kWindowsPerSecond);
    static constexpr uint32_t kStepMax = 1U << 20;

    void begin_window(Instant now) {
        const bool is_next = now < window_end_ + kWindow;
        const uint64_t wanted = is_next ? (seen_ + budget_ - 1) / budget_ : 1;
        step_ = static_cast<uint32_t>(std::clamp<uint64_t>(wanted, 1, kStepMax));
        window_end_ = now + kWindow;
        seen_ = 0;
        taken_ = remarkable_ = 0;
        draw();
    }
    // A gap of step_ queries on average.
    void draw() {
        next_ = step_ == 1 ? 1 : 1 + static_cast<uint32_t>(random_.below(2 * uint64_t{step_} - 1));
    }

    Prng random_;
    Instant window_end_;
    uint32_t budget_ = 1;  // of one window
    uint32_t step_ = 1;
    uint32_t next_ = 1;
    uint32_t gap_ = 0;  // queries since the last one that was told
    uint32_t taken_ = 0;
    uint32_t remarkable_ = 0;
    uint64_t seen_ = 0;  // in this window
};

}  // namespace weir
