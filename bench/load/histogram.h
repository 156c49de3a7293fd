// Log-linear histogram of nanoseconds: 64 buckets to every power of two, so a percentile is right
// to 1.6 %. Thread: one writer; merge() after the writer has ended.

#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace weir::bench {

class LatencyHistogram {
  public:
    void record(uint64_t ns) {
        buckets_[bucket_of(ns)]++;
        count_++;
        sum_ns_ += ns;
        max_ns_ = std::max(max_ns_, ns);
    }

    void merge(const LatencyHistogram& other) {
        for (size_t i = 0; i < kBuckets; i++) {
            buckets_[i] += other.buckets_[i];
        }
        count_ += other.count_;
        sum_ns_ += other.sum_ns_;
        max_ns_ = std::max(max_ns_, other.max_ns_);
    }

    uint64_t count() const { return count_; }
    double max_us() const { return static_cast<double>(max_ns_) / 1e3; }
    double mean_us() const {
        return count_ == 0 ? 0 : static_cast<double>(sum_ns_) / 1e3 / static_cast<double>(count_);
    }

    double percentile_us(double fraction) const {
        const auto rank = static_cast<uint64_t>(fraction * static_cast<double>(count_));
        uint64_t seen = 0;
        for (size_t i = 0; i < kBuckets; i++) {
            seen += buckets_[i];
            if (seen > rank) return std::min(static_cast<double>(middle_ns(i)) / 1e3, max_us());
        }
        return max_us();
    }

  private:
    static constexpr unsigned kLinearBits = 6;
    static constexpr size_t kLinear = size_t{1} << kLinearBits;
    static constexpr size_t kBuckets = kLinear * (64 - kLinearBits + 1);

    static size_t bucket_of(uint64_t ns) {
        if (ns < kLinear) return ns;
        const auto shift = static_cast<unsigned>(std::bit_width(ns)) - kLinearBits - 1;
        return kLinear * (shift + 1) + (ns >> shift) - kLinear;
    }

    static uint64_t middle_ns(size_t bucket) {
        if (bucket < kLinear) return bucket;
        const size_t shift = bucket / kLinear - 1;
        const uint64_t low = (bucket % kLinear + kLinear) << shift;
        return low + ((uint64_t{1} << shift) >> 1);
    }

    std::array<uint64_t, kBuckets> buckets_{};
    uint64_t count_ = 0;
    uint64_t sum_ns_ = 0;
    uint64_t max_ns_ = 0;
};

}  // namespace weir::bench
