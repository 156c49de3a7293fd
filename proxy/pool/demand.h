// DemandTracker: how many connections have been wanted at once lately.
//
// The peak of in_use + waiting in each of three buckets of ten seconds, and the largest of them
// (Multigres' demand tracker). By Little's law the mean demand is rate times service time; the peak
// covers the bursts, and half a minute of memory keeps connections over a short lull.
// Pure; no allocation. Owner: a pool, under its lock. Thread: the owner's.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "protocol/base/clock.h"

namespace weir {

class DemandTracker {
  public:
    static constexpr int64_t kBuckets = 3;
    static constexpr Duration kBucket = std::chrono::seconds(10);

    // To be told whenever in_use + waiting has grown, and at least once per bucket.
    void observe(uint32_t wanted, Instant now) {
        uint32_t& bucket = advance(now);
        bucket = std::max(bucket, wanted);
    }
    [[nodiscard]] uint32_t peak(Instant now) {
        advance(now);
        return *std::max_element(peaks_.begin(), peaks_.end());
    }

  private:
    // A clock that stands still or steps back stays in the newest bucket.
    uint32_t& advance(Instant now) {
        const int64_t bucket = std::max(now.us / kBucket.count(), newest_);
        const int64_t passed = std::min(bucket - newest_, kBuckets);
        for (int64_t i = 1; i <= passed; ++i)
            peaks_[static_cast<size_t>((newest_ + i) % kBuckets)] = 0;
        newest_ = bucket;
        return peaks_[static_cast<size_t>(bucket % kBuckets)];
    }

    std::array<uint32_t, kBuckets> peaks_{};
    int64_t newest_ = 0;
};

}  // namespace weir
