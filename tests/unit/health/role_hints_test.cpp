// Goal: without probes a role comes from what servers said, else from the configuration, and never
// are there two primaries. Method: each rule by hand, then all combinations of three endpoints.
#include "health/role_hints.h"

#include <doctest/doctest.h>

#include <array>
#include <vector>

namespace weir::role_hints_test {
namespace {

const RoleHint kNothing{};
const RoleHint kClaims{RoleWish::Auto, false};
const RoleHint kStandby{RoleWish::Auto, true};
const RoleHint kWishPrimary{RoleWish::Primary, {}};
const RoleHint kWishReplica{RoleWish::Replica, {}};

struct Answer {
    std::vector<Role> roles;
    bool is_split;
};

Answer ask(std::vector<RoleHint> hints) {
    Answer answer{std::vector<Role>(hints.size()), false};
    answer.is_split = roles_from_hints(hints, answer.roles);
    return answer;
}

}  // namespace

TEST_CASE("without hints nobody has a role") {
    CHECK(ask({kNothing, kNothing}).roles == std::vector{Role::Unknown, Role::Unknown});
}

TEST_CASE("the configured roles hold while nobody has said anything") {
    CHECK(ask({kWishPrimary, kWishReplica}).roles == std::vector{Role::Primary, Role::Replica});
    CHECK(ask({kWishPrimary, kStandby}).roles == std::vector{Role::Primary, Role::Replica});
}

TEST_CASE("evidence overrides the configuration") {
    CHECK(ask({{RoleWish::Primary, true}, {RoleWish::Replica, false}}).roles ==
          std::vector{Role::Replica, Role::Primary});
    // It has said nothing, another one claims: the configured primary is none.
    CHECK(ask({kWishPrimary, kClaims}).roles == std::vector{Role::Unknown, Role::Primary});
}

TEST_CASE("of two claimants none is the primary, whatever the configuration says") {
    const Answer answer = ask({{RoleWish::Primary, false}, kClaims, kStandby});
    CHECK(answer.is_split);
    CHECK(answer.roles == std::vector{Role::Unknown, Role::Unknown, Role::Replica});
    CHECK(ask({kWishPrimary, kWishPrimary}).is_split);
}

TEST_CASE("there is never more than one primary") {
    const std::array wishes = {RoleWish::Auto, RoleWish::Primary, RoleWish::Replica};
    const std::array<std::optional<bool>, 3> said = {std::nullopt, true, false};
    for (int code = 0; code < 9 * 9 * 9; ++code) {
        std::vector<RoleHint> hints;
        for (int rest = code, i = 0; i < 3; ++i, rest /= 9) {
            hints.push_back(
                {wishes[static_cast<size_t>(rest % 3)], said[static_cast<size_t>(rest / 3 % 3)]});
        }
        const Answer answer = ask(hints);
        int primaries = 0;
        for (size_t i = 0; i < 3; ++i) {
            if (answer.roles[i] != Role::Primary) continue;
            ++primaries;
            CHECK_FALSE(hints[i].is_standby.value_or(false));
        }
        CHECK(primaries <= (answer.is_split ? 0 : 1));
    }
}

}  // namespace weir::role_hints_test
