// Role hints: who is the primary when no probe can ask.
//
// Evidence is then what the servers said of themselves to others: in_hot_standby as data
// connections report it, or a probe when probes still worked. It has no timeline and so no fence:
// of several that call themselves primary none is believed, not even the one the configuration
// names, for it may be the old one that came back after a failover. Without evidence the
// configuration's word holds.
// Pure; no allocation. Thread: any.
#pragma once

#include <optional>
#include <span>

#include "health/backend_spec.h"
#include "health/role_judge.h"

namespace weir {

struct RoleHint {
    RoleWish wish = RoleWish::Auto;
    std::optional<bool> is_standby;  // what it said of itself last; empty = nothing, or in doubt
};

// Fills `roles`, as long as `hints`. True when there are several claimants, or several that are
// wished to be primary: nobody is, and an alert is due.
[[nodiscard]] bool roles_from_hints(std::span<const RoleHint> hints, std::span<Role> roles);

}  // namespace weir
