#include "protocol/base/clock.h"

namespace weir {

Instant SystemClock::now() {
    const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<Duration>(since_boot).count()};
}

int64_t SystemClock::wall_us(Instant at) {
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<Duration>(wall).count() - (now() - at).count();
}

}  // namespace weir
