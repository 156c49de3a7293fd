#include "protocol/base/histogram.h"

namespace weir {

uint64_t HistogramTotals::quantile_us(double q) const {
    const double wanted = q * static_cast<double>(count());
    double below = 0;
    for (size_t i = 0; i < histogram::kBounds; ++i) {
        const auto here = static_cast<double>(buckets[i]);
        if (here > 0 && below + here >= wanted) {
            const double from = i == 0 ? 0 : histogram::bound_seconds(i - 1) * 1e6;
            const double to = histogram::bound_seconds(i) * 1e6;
            return static_cast<uint64_t>(from + (to - from) * (wanted - below) / here);
        }
        below += here;
    }
    return below < wanted ? histogram::kBoundsUs.back() : 0;
}

}  // namespace weir
