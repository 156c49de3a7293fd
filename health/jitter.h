// Jitter: the same pause for everybody would make everybody come back at once.
// Thread: that of the Prng.
#pragma once

#include <algorithm>
#include <cstdint>

#include "protocol/base/clock.h"
#include "protocol/base/random.h"

namespace weir {

// Uniform in [pause, pause * (1 + percent/100)]; a negative pause counts as zero.
inline Duration jittered_up(Duration pause, uint32_t percent, Prng& random) {
    const int64_t base = std::max<int64_t>(pause.count(), 0);
    // Divided first: no overflow however long the pause is; below 100 us there is no jitter.
    const auto extra = static_cast<uint64_t>(base / 100) * percent;
    return Duration(base + static_cast<int64_t>(random.below(extra + 1)));
}

// Uniform in [interval * (1 - percent/100), interval * (1 + percent/100)]; percent up to 100.
inline Duration jittered_around(Duration interval, uint32_t percent, Prng& random) {
    const uint32_t share = std::min<uint32_t>(percent, 100);
    const int64_t base = std::max<int64_t>(interval.count(), 0);
    return jittered_up(Duration(base - base / 100 * share), 0, random) +
           Duration(static_cast<int64_t>(
               random.below(2 * static_cast<uint64_t>(base / 100) * share + 1)));
}

}  // namespace weir
