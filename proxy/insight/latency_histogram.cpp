#include "proxy/insight/latency_histogram.h"

#include <algorithm>
#include <cmath>

namespace weir {

namespace {

std::array<double, LatencyHistogram::kBuckets - 1> make_bounds() {
    std::array<double, LatencyHistogram::kBuckets - 1> out{};
    for (size_t i = 0; i < out.size(); ++i)
        out[i] = 1e6 * std::exp2(LatencyHistogram::kFirstPower + static_cast<double>(i) / 2);
    return out;
}

const std::array<double, LatencyHistogram::kBuckets - 1>& bounds() {
    static const std::array<double, LatencyHistogram::kBuckets - 1> kBounds = make_bounds();
    return kBounds;
}

}  // namespace

double LatencyHistogram::bound_us(size_t index) {
    return bounds()[index];
}

size_t LatencyHistogram::index_of(uint64_t us) {
    const auto found = std::lower_bound(bounds().begin(), bounds().end(), static_cast<double>(us));
    return static_cast<size_t>(found - bounds().begin());
}

void LatencyHistogram::add(uint64_t us, uint64_t times) {
    buckets_[index_of(us)] += times;
    count_ += times;
}

void LatencyHistogram::add(const LatencyHistogram& other) {
    for (size_t i = 0; i < kBuckets; ++i)
        buckets_[i] += other.buckets_[i];
    count_ += other.count_;
}

uint64_t LatencyHistogram::quantile_us(double q) const {
    if (count_ == 0) return 0;
    const double wanted = q * static_cast<double>(count_);
    double below = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
        const auto here = static_cast<double>(buckets_[i]);
        if (here > 0 && below + here >= wanted) {
            const double from = i == 0 ? 0 : bounds()[i - 1];
            if (i + 1 == kBuckets) return static_cast<uint64_t>(from);
            return static_cast<uint64_t>(from + (bounds()[i] - from) * (wanted - below) / here);
        }
        below += here;
    }
    return static_cast<uint64_t>(bounds().back());  // uncovered: rounding only
}

}  // namespace weir
