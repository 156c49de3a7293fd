// LatencyHistogram: durations in buckets whose bounds are powers of the square root of two, from
// 2^-16 s (15 us) to 2^6 s (64 s), and one for what is longer. So a quantile that it tells is off
// by less than a fifth. Thread: that of its owner.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace weir {

class LatencyHistogram {
  public:
    static constexpr int kFirstPower = -16, kLastPower = 6;  // of 2, seconds
    static constexpr size_t kBuckets = 2 * (kLastPower - kFirstPower) + 2;

    void add(uint64_t us, uint64_t times);
    void add(const LatencyHistogram& other);
    [[nodiscard]] uint64_t count() const { return count_; }
    // The duration that a share `q` of all does not exceed; within a bucket evenly spread. 0 when
    // there is none.
    [[nodiscard]] uint64_t quantile_us(double q) const;
    [[nodiscard]] uint64_t bucket(size_t index) const { return buckets_[index]; }
    // Inclusive upper bound of a bucket but the last.
    static double bound_us(size_t index);
    static size_t index_of(uint64_t us);

  private:
    std::array<uint64_t, kBuckets> buckets_{};
    uint64_t count_ = 0;
};

}  // namespace weir
