// Ejection guard: how much of a role may be out of use by verdict, and when verdicts are no longer
// believed.
//
// Taking away the last endpoint turns a bad service into none, and when most look ill at once it is
// more likely the judge who is wrong, or the load of the rest that would kill it (Envoy's
// max_ejection_percent and panic threshold).
// Pure. Thread: any.
#pragma once

#include <cstdint>
#include <span>

#include "health/health_options.h"
#include "health/health_state.h"

namespace weir {

// The endpoints of one role, counted.
struct RoleCounts {
    uint64_t configured = 0;
    uint64_t eligible = 0;        // UP or DEGRADED
    uint64_t out_by_verdict = 0;  // EJECTED or HALF_OPEN
};

[[nodiscard]] RoleCounts count_role(std::span<const HealthState> states);

// Whether the endpoint in `state` may be ejected. Never the last eligible one; never more than
// max_ejection_percent, but one always (Envoy ejects one whatever the percentage, or two replicas
// at 40 % could never lose one).
[[nodiscard]] bool may_eject(HealthState state, const RoleCounts& counts,
                             const HealthOptions& options);

// Whether EJECTED and HALF_OPEN are to be ignored for now. Never LAGGING, DRAINING, DOWN, or the
// role: those are facts and orders, not guesses. Without anything ejected there is no panic,
// however little is eligible: ignoring nothing would only raise an alert.
[[nodiscard]] bool is_panic(const RoleCounts& counts, const HealthOptions& options);

// Whether an endpoint takes new work without holding a trial.
[[nodiscard]] constexpr bool may_take_work(HealthState state, bool panic) {
    return is_eligible(state) || (panic && is_out_by_verdict(state));
}

}  // namespace weir
