// FailureWindow: exact counts of successes and failures over the last ten seconds, and how many
// local-origin failures came in a row.
//
// Ten buckets of one second, as linkerd's success-rate window: exact whatever the rate, where an
// average over samples would forget a quiet endpoint's failures never and a busy one's at once. The
// newest bucket is partly filled, so the window covers nine to ten seconds.
// Pure; no allocation. Owner: whoever judges an endpoint. Thread: the owner's.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "health/outcome.h"
#include "protocol/base/clock.h"

namespace weir {

class FailureWindow {
  public:
    static constexpr int64_t kBuckets = 10;
    static constexpr Duration kBucket = std::chrono::seconds(1);

    struct Totals {
        uint64_t successes = 0;
        uint64_t failures = 0;
        [[nodiscard]] uint64_t samples() const { return successes + failures; }
    };

    // Counts `count` outcomes of one kind. A failure of server origin is an answer, and so ends a
    // row of local-origin failures (Envoy's split counters do the same).
    void add(Evidence evidence, Instant now, uint64_t count = 1) {
        if (evidence == Evidence::None || count == 0) return;
        Totals& bucket = advance(now);
        if (evidence == Evidence::Success) {
            bucket.successes += count;
        } else {
            bucket.failures += count;
        }
        consecutive_ = evidence == Evidence::LocalFailure ? consecutive_ + count : 0;
    }

    [[nodiscard]] Totals totals(Instant now) {
        advance(now);
        Totals sum;
        for (const Totals& bucket : buckets_) {
            sum.successes += bucket.successes;
            sum.failures += bucket.failures;
        }
        return sum;
    }

    // Whether at least `percent` of at least `samples_min` outcomes were failures; never for 0 %.
    [[nodiscard]] bool is_failing(Instant now, uint32_t percent, uint32_t samples_min) {
        const Totals sum = totals(now);
        return percent > 0 && sum.failures > 0 && sum.samples() >= samples_min &&
               sum.failures * 100 >= sum.samples() * percent;
    }

    // Local-origin failures since the last answer; they do not age.
    [[nodiscard]] uint64_t consecutive_failures() const { return consecutive_; }

    void clear() { *this = FailureWindow(); }

  private:
    // The bucket of `now`, older ones emptied. A clock that stands still or steps back stays in the
    // newest bucket.
    Totals& advance(Instant now) {
        const int64_t bucket = std::max(now.us / kBucket.count(), newest_);
        const int64_t passed = std::min(bucket - newest_, kBuckets);
        for (int64_t i = 1; i <= passed; ++i)
            buckets_[static_cast<size_t>((newest_ + i) % kBuckets)] = Totals();
        newest_ = bucket;
        return buckets_[static_cast<size_t>(bucket % kBuckets)];
    }

    std::array<Totals, kBuckets> buckets_{};
    int64_t newest_ = 0;
    uint64_t consecutive_ = 0;
};

}  // namespace weir
