#include "health/patroni_hint.h"

namespace weir {

PatroniHint patroni_hint(const std::optional<PatroniAnswer>& before, const PatroniAnswer& answer) {
    // The first word of a leader is news when it has just become one, and costs a probe else.
    if (!before) return {.is_hurried = is_leader(answer)};
    const bool is_running = answer.state == "running";
    const bool was_running = before->state == "running";
    const bool is_promoted = before->timeline != 0 && answer.timeline > before->timeline;
    return {.is_hurried = before->role != answer.role || was_running != is_running || is_promoted,
            .is_revoked = is_leader(*before) && !is_leader(answer)};
}

}  // namespace weir
