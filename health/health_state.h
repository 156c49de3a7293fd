// HealthState: what an endpoint may be used for. The diagram stands in endpoint_health.h.
// Thread: any (values).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/clock.h"

namespace weir {

enum class HealthState : uint8_t {
    Up,
    Degraded,  // in use with less weight
    Ejected,   // out of use for a time
    HalfOpen,  // one trial at a time
    Lagging,   // a replica too far behind for reads
    Draining,  // an operator's: nothing new
    Down,      // an operator's: nothing at all
};

// As SHOW prints it: UP, HALF_OPEN, ...
[[nodiscard]] constexpr std::string_view to_text(HealthState state) {
    switch (state) {
        case HealthState::Up: return "UP";
        case HealthState::Degraded: return "DEGRADED";
        case HealthState::Ejected: return "EJECTED";
        case HealthState::HalfOpen: return "HALF_OPEN";
        case HealthState::Lagging: return "LAGGING";
        case HealthState::Draining: return "DRAINING";
        case HealthState::Down: return "DOWN";
    }
    return "UNKNOWN";
}

// Takes traffic without asking further.
[[nodiscard]] constexpr bool is_eligible(HealthState state) {
    return state == HealthState::Up || state == HealthState::Degraded;
}
// Out by a verdict about failures, which panic ignores; unlike LAGGING, DRAINING and DOWN.
[[nodiscard]] constexpr bool is_out_by_verdict(HealthState state) {
    return state == HealthState::Ejected || state == HealthState::HalfOpen;
}

struct Transition {
    HealthState from = HealthState::Up;
    HealthState to = HealthState::Up;
    Instant at;
    std::string reason;  // words for the log, such as "5 consecutive failures: connect refused"
};

}  // namespace weir
