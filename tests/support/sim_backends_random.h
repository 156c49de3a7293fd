// Random times for queueing simulations. Thread: that of the Prng.
#pragma once

#include <cmath>
#include <cstdint>

#include "protocol/base/random.h"

namespace weir::sim {

// Uniform in (0, 1].
inline double unit(Prng& random) {
    return static_cast<double>((random.next() >> 11) + 1) * 0x1.0p-53;
}
// Exponentially distributed with this mean, as are the gaps of Poisson arrivals.
inline double exponential(double mean, Prng& random) {
    return -mean * std::log(unit(random));
}

}  // namespace weir::sim
