// GCRA: a rate limit in one number (the generic cell rate algorithm of ATM, ITU-T I.371).
//
// A key is remembered by its theoretical arrival time, the moment at which all that it was allowed
// so far would be used up at the allowed rate:
//
//     TAT' = max(now, TAT) + interval;   allowed if TAT' - now <= burst * interval
//
// That equals a token bucket of `burst` tokens, without a timer and without rounding away tokens; a
// cell with TAT <= now is as good as new, so it may be forgotten at no loss. All arithmetic is in
// whole nanoseconds. The interval is rounded up: never more than the rate is admitted, and at most
// 1 ns per event less (a hundredth of a percent at 100 000/s, one percent at 10 million/s).
// Thread: GcraCell any (one atomic, one CAS); PlainGcraCell its owner's.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "protocol/base/clock.h"

namespace weir {

struct GcraLimit {
    int64_t interval_ns = 0;  // between events; 0 = no limit
    int64_t burst_ns = 0;     // burst * interval

    // Beyond these nothing is exact, nor of use: 36 years.
    static constexpr int64_t kLongestNs = int64_t{1} << 60;

    // `events` per `per`, so that one event in an hour can be said as well as ten million a second;
    // no events or no time = no limit. `burst` events may come at once; 0 counts as 1, or nothing
    // would ever be allowed.
    [[nodiscard]] static constexpr GcraLimit of(uint64_t events, Duration per, uint64_t burst) {
        GcraLimit limit;
        if (events == 0 || per.count() <= 0) return limit;
        const int64_t longest_us = kLongestNs / 1000;
        const auto per_ns = static_cast<uint64_t>(std::min(per.count(), longest_us)) * 1000;
        const uint64_t interval = per_ns / events + (per_ns % events != 0 ? 1 : 0);
        const uint64_t count = std::max<uint64_t>(burst, 1);
        limit.interval_ns = static_cast<int64_t>(interval);
        limit.burst_ns = count > static_cast<uint64_t>(kLongestNs) / interval
                             ? kLongestNs
                             : static_cast<int64_t>(count * interval);
        return limit;
    }
    [[nodiscard]] constexpr bool is_unlimited() const { return interval_ns == 0; }
};

struct GcraDecision {
    bool is_allowed = true;
    // Not allowed: when it would be. Allowed with a delay: when it may begin. Rounded up.
    Duration retry_after{0};
};

// One step of the formula: decides, and gives the new TAT (the old one when not allowed). `count`
// events are allowed all or none; more than the burst count as the burst, or they would never be.
// With `delay_max` an event that is early by no more than that is allowed with a delay: its place
// is taken now, so that those who are parked do not all come back at the same moment.
struct GcraStep {
    GcraDecision decision;
    int64_t tat_ns = 0;
};
[[nodiscard]] constexpr GcraStep gcra_step(int64_t tat_ns, Instant now, const GcraLimit& limit,
                                           uint64_t count, Duration delay_max) {
    constexpr int64_t kSlackNs = 1'000'000'000;
    const int64_t now_ns =
        std::clamp<int64_t>(now.us, 0, (INT64_MAX - 4 * GcraLimit::kLongestNs) / 1000) * 1000;
    const int64_t delay_ns =
        std::clamp<int64_t>(delay_max.count(), 0, GcraLimit::kLongestNs / 1000) * 1000;
    // No cell is ever further ahead than its burst and the delay, but when its limit was another
    // one before: it must not wait out the old one. (The slack: workers' clocks differ by a
    // little.)
    if (tat_ns - now_ns > limit.burst_ns + delay_ns + kSlackNs) tat_ns = now_ns + limit.burst_ns;
    const auto most = static_cast<uint64_t>(limit.burst_ns / limit.interval_ns);
    const int64_t cost =
        static_cast<int64_t>(std::min(count, std::max<uint64_t>(most, 1))) * limit.interval_ns;
    const int64_t next = std::max(now_ns, tat_ns) + cost;
    const int64_t wait_ns = std::max<int64_t>(next - now_ns - limit.burst_ns, 0);
    const Duration wait((wait_ns + 999) / 1000);
    if (wait_ns <= delay_ns) return {{true, wait}, next};
    return {{false, wait}, tat_ns};
}

class GcraCell {
  public:
    [[nodiscard]] GcraDecision decide(Instant now, const GcraLimit& limit, uint64_t count = 1,
                                      Duration delay_max = Duration(0)) {
        if (limit.is_unlimited()) return {};
        int64_t tat = tat_ns_.load(std::memory_order_relaxed);
        while (true) {
            const GcraStep step = gcra_step(tat, now, limit, count, delay_max);
            // The number is all there is to it, so no order with other memory is needed.
            if (step.tat_ns == tat ||
                tat_ns_.compare_exchange_weak(tat, step.tat_ns, std::memory_order_relaxed)) {
                return step.decision;
            }
        }
    }
    [[nodiscard]] int64_t tat_ns() const { return tat_ns_.load(std::memory_order_relaxed); }

  private:
    std::atomic<int64_t> tat_ns_{0};
};

// The same for one thread: cells of a table under its lock, and tests.
class PlainGcraCell {
  public:
    [[nodiscard]] GcraDecision decide(Instant now, const GcraLimit& limit, uint64_t count = 1,
                                      Duration delay_max = Duration(0)) {
        if (limit.is_unlimited()) return {};
        const GcraStep step = gcra_step(tat_ns_, now, limit, count, delay_max);
        tat_ns_ = step.tat_ns;
        return step.decision;
    }
    // One event that was allowed just now does not happen after all. Exact while no time has
    // passed; later the key gains what has become free meanwhile, at most one interval.
    void take_back(const GcraLimit& limit) { tat_ns_ -= limit.interval_ns; }
    [[nodiscard]] int64_t tat_ns() const { return tat_ns_; }

  private:
    int64_t tat_ns_ = 0;
};

}  // namespace weir
