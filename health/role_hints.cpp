#include "health/role_hints.h"

#include "protocol/base/check.h"

namespace weir {

namespace {

bool claims(const RoleHint& hint) {
    return hint.is_standby.has_value() && !*hint.is_standby;
}
bool is_wished_primary(const RoleHint& hint) {
    return !hint.is_standby.has_value() && hint.wish == RoleWish::Primary;
}
bool is_replica(const RoleHint& hint) {
    return hint.is_standby.value_or(hint.wish == RoleWish::Replica);
}

}  // namespace

bool roles_from_hints(std::span<const RoleHint> hints, std::span<Role> roles) {
    WEIR_CHECK(hints.size() == roles.size());
    size_t claimants = 0;
    size_t wished = 0;
    for (const RoleHint& hint : hints) {
        claimants += claims(hint) ? 1 : 0;
        wished += is_wished_primary(hint) ? 1 : 0;
    }
    for (size_t i = 0; i < hints.size(); ++i) {
        const bool is_primary = claimants > 0 ? claimants == 1 && claims(hints[i])
                                              : wished == 1 && is_wished_primary(hints[i]);
        roles[i] = is_primary             ? Role::Primary
                   : is_replica(hints[i]) ? Role::Replica
                                          : Role::Unknown;
    }
    return claimants > 1 || (claimants == 0 && wished > 1);
}

}  // namespace weir
