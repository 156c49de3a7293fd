// Histogram: how often something took how long, in buckets whose bounds are powers of the square
// root of two of a second (schema 1 of Prometheus' native histograms), from 2^-16 s to 2^6 s and
// one for all above. Every second bound is a power of two (schema 0): that is what is shown, and
// nothing has to be estimated for it.
//
// Recording is two counts, without a lock, an allocation or a division. A reader may see the one
// count and not yet the other. Pure. Owner: whatever is measured. Thread: written by one, read by
// any.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "protocol/base/clock.h"
#include "protocol/base/counter.h"

namespace weir {

namespace histogram {

constexpr int kFirstPower = -16;
constexpr int kLastPower = 6;
constexpr size_t kBounds = 2 * (kLastPower - kFirstPower) + 1;
constexpr size_t kBuckets = kBounds + 1;

// In seconds; index below kBounds.
constexpr double bound_seconds(size_t index) {
    double bound = index % 2 == 0 ? 1.0 : 1.4142135623730951;
    for (int power = kFirstPower + static_cast<int>(index / 2); power < 0; ++power)
        bound /= 2;
    for (int power = kFirstPower + static_cast<int>(index / 2); power > 0; --power)
        bound *= 2;
    return bound;
}

// The longest whole microseconds within each bound, which is as good as the bound itself.
constexpr std::array<uint64_t, kBounds> kBoundsUs = [] {
    std::array<uint64_t, kBounds> bounds{};
    for (size_t i = 0; i < kBounds; ++i)
        bounds[i] = static_cast<uint64_t>(bound_seconds(i) * 1e6);
    return bounds;
}();

// By the number of significant bits of the microseconds: the first bucket that they can be in.
constexpr std::array<uint8_t, 65> kFirstBuckets = [] {
    std::array<uint8_t, 65> first{};
    for (size_t bits = 1; bits <= 64; ++bits) {
        const uint64_t least = uint64_t{1} << (bits - 1);
        size_t index = 0;
        while (index < kBounds && kBoundsUs[index] < least)
            ++index;
        first[bits] = static_cast<uint8_t>(index);
    }
    return first;
}();

constexpr size_t bucket_of(uint64_t us) {
    size_t index = kFirstBuckets[static_cast<size_t>(std::bit_width(us))];
    while (index < kBounds && us > kBoundsUs[index])
        ++index;  // three times at most
    return index;
}

}  // namespace histogram

class Histogram {
  public:
    // A time before zero is zero: two clocks may have been read.
    void record(Duration took) {
        const uint64_t us = took.count() > 0 ? static_cast<uint64_t>(took.count()) : 0;
        buckets_[histogram::bucket_of(us)].add(1);
        sum_us_.add(us);
    }
    [[nodiscard]] uint64_t bucket(size_t index) const { return buckets_[index].get(); }
    [[nodiscard]] uint64_t sum_us() const { return sum_us_.get(); }

  private:
    std::array<Counter, histogram::kBuckets> buckets_;  // each without those before it
    Counter sum_us_;
};

// The same as a value: summed over writers, or counted and shown by one thread.
struct HistogramTotals {
    std::array<uint64_t, histogram::kBuckets> buckets{};
    uint64_t sum_us = 0;

    // Of who keeps them alone.
    void record(Duration took, uint64_t times = 1) {
        const uint64_t us = took.count() > 0 ? static_cast<uint64_t>(took.count()) : 0;
        buckets[histogram::bucket_of(us)] += times;
        sum_us += us * times;
    }
    void add(const Histogram& more) {
        for (size_t i = 0; i < buckets.size(); ++i)
            buckets[i] += more.bucket(i);
        sum_us += more.sum_us();
    }
    void add(const HistogramTotals& more) {
        for (size_t i = 0; i < buckets.size(); ++i)
            buckets[i] += more.buckets[i];
        sum_us += more.sum_us;
    }
    [[nodiscard]] uint64_t count() const {
        uint64_t all = 0;
        for (const uint64_t bucket : buckets)
            all += bucket;
        return all;
    }
    // The microseconds that a share `q` of all does not exceed, taking those of one bucket as
    // evenly spread: off by less than a fifth. Of more than the last bound, that bound; 0 of
    // nothing.
    [[nodiscard]] uint64_t quantile_us(double q) const;
};

}  // namespace weir
