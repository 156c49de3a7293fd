// Patroni hint: what follows when a Patroni says something else than before. A hint, never
// evidence: Patroni knows of a change first, and may be wrong, old, or somebody else's. So
//   * a change of its word hurries the probes of the whole cluster, which then tell the truth;
//   * "this one leads no longer" takes the primary's role away until a probe sent after that gives
//     it back: a lie costs one probe's time, no more;
//   * no word makes anybody the primary, and the same word again does nothing.
// Only what one and the same Patroni said last is compared, so that one which contradicts the
// server for good has no effect after its first word. Pure; no allocation. Thread: any.
#pragma once

#include <optional>

#include "health/patroni_answer.h"

namespace weir {

struct PatroniHint {
    bool is_hurried = false;  // probe all servers of the cluster
    bool is_revoked = false;  // this one is no primary before it says so again
};

// `before`: its last good answer, however long ago; none = this is the first.
[[nodiscard]] PatroniHint patroni_hint(const std::optional<PatroniAnswer>& before,
                                       const PatroniAnswer& answer);

}  // namespace weir
