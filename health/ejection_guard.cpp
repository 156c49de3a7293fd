#include "health/ejection_guard.h"

namespace weir {

RoleCounts count_role(std::span<const HealthState> states) {
    RoleCounts counts;
    for (const HealthState state : states) {
        ++counts.configured;
        counts.eligible += is_eligible(state) ? 1 : 0;
        counts.out_by_verdict += is_out_by_verdict(state) ? 1 : 0;
    }
    return counts;
}

bool may_eject(HealthState state, const RoleCounts& counts, const HealthOptions& options) {
    if (is_out_by_verdict(state)) return true;  // it is out already
    const uint64_t own = is_eligible(state) ? 1 : 0;
    if (counts.eligible <= own) return false;
    if (counts.out_by_verdict == 0) return options.max_ejection_percent > 0;
    return (counts.out_by_verdict + 1) * 100 <= options.max_ejection_percent * counts.configured;
}

bool is_panic(const RoleCounts& counts, const HealthOptions& options) {
    if (counts.out_by_verdict == 0) return false;
    return counts.eligible * 100 < options.panic_threshold_percent * counts.configured;
}

}  // namespace weir
