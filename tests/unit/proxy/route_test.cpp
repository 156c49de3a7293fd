// Which backend may serve a transaction: the table of proxy/routing/route.h, row by row.
#include "proxy/routing/route.h"

#include <doctest/doctest.h>

#include <vector>

#include "proxy/routing/retry_budget.h"

namespace weir::route_test {

namespace {

using enum TargetSessionAttrs;

RoutePlace place(Role role, HealthState state = HealthState::Up, float weight = 1) {
    RoutePlace out;
    out.verdict.role = role;
    out.verdict.state = state;
    out.verdict.weight = weight;
    out.verdict.is_probed = true;
    return out;
}

// The indices that remain in the choice.
std::vector<size_t> chosen(const std::vector<RoutePlace>& places, const RouteRequest& request) {
    std::vector<Candidate> candidates(places.size());
    std::vector<size_t> out;
    const bool any = mark_best(places, request, candidates);
    for (size_t i = 0; i < candidates.size(); ++i) {
        if (candidates[i].is_eligible) out.push_back(i);
    }
    CHECK(any == !out.empty());
    return out;
}

using Indices = std::vector<size_t>;

const RoutePlace kPrimary = place(Role::Primary);
const RoutePlace kReplica = place(Role::Replica);
const RoutePlace kSick = place(Role::Replica, HealthState::Degraded, 0.02F);

}  // namespace

TEST_CASE("each wish has its role") {
    const std::vector<RoutePlace> all = {kPrimary, kReplica, kReplica};
    CHECK(chosen(all, {.wanted = Any}) == Indices{0, 1, 2});
    CHECK(chosen(all, {.wanted = ReadWrite}) == Indices{0});
    CHECK(chosen(all, {.wanted = Primary}) == Indices{0});
    CHECK(chosen(all, {.wanted = Standby}) == Indices{1, 2});
    CHECK(chosen(all, {.wanted = ReadOnly, .may_spill = true}) == Indices{1, 2});
    CHECK(chosen(all, {.wanted = PreferStandby}) == Indices{1, 2});
}

TEST_CASE("a role that nobody knows takes nothing, unless nobody asks for roles") {
    RoutePlace unknown = place(Role::Unknown);
    CHECK(chosen({unknown}, {.wanted = Any}).empty());
    CHECK(chosen({unknown}, {.wanted = ReadWrite}).empty());
    unknown.verdict.is_probed = false;
    for (const TargetSessionAttrs wanted :
         {Any, ReadWrite, ReadOnly, Primary, Standby, PreferStandby})
        CHECK(chosen({unknown}, {.wanted = wanted}) == Indices{0});
}

TEST_CASE("states without new work are never chosen") {
    for (const HealthState state :
         {HealthState::Ejected, HealthState::HalfOpen, HealthState::Lagging, HealthState::Draining,
          HealthState::Down}) {
        CHECK(chosen({place(Role::Primary, state)}, {.wanted = ReadWrite}).empty());
        CHECK(chosen({place(Role::Replica, state)}, {.wanted = PreferStandby}).empty());
    }
    CHECK(chosen({place(Role::Replica, HealthState::Degraded)}, {.wanted = Standby}) == Indices{0});
}

TEST_CASE("in panic, ejected backends serve") {
    RoutePlace ejected = place(Role::Primary, HealthState::Ejected);
    ejected.verdict.is_panic = true;
    CHECK(chosen({ejected}, {.wanted = ReadWrite}) == Indices{0});
}

TEST_CASE("reads go to the primary only within the spill") {
    const std::vector<RoutePlace> sick = {kPrimary, kSick};
    CHECK(chosen(sick, {.wanted = ReadOnly, .may_spill = true, .has_primary = true}) == Indices{0});
    CHECK(chosen(sick, {.wanted = ReadOnly, .may_spill = false, .has_primary = true}).empty());
    CHECK(chosen({kSick}, {.wanted = ReadOnly}) == Indices{0});
    CHECK(
        chosen({kPrimary}, {.wanted = ReadOnly, .may_spill = false, .has_primary = true}).empty());
    CHECK(chosen({kPrimary}, {.wanted = ReadOnly, .may_spill = true, .has_primary = true}) ==
          Indices{0});
}

TEST_CASE("a strict wish for a replica is never served by the primary") {
    CHECK(chosen({kPrimary}, {.wanted = Standby, .may_spill = true, .has_primary = true}).empty());
    CHECK(chosen({kPrimary, kSick}, {.wanted = Standby, .has_primary = true}) == Indices{1});
}

TEST_CASE("prefer-standby takes the primary before a sick replica") {
    CHECK(chosen({kPrimary, kSick}, {.wanted = PreferStandby, .has_primary = true}) == Indices{0});
    CHECK(chosen({kSick}, {.wanted = PreferStandby}) == Indices{0});
}

TEST_CASE("a replica that warms up is not sick") {
    const RoutePlace warm = place(Role::Replica, HealthState::Up, 0.05F);
    CHECK(chosen({kPrimary, warm}, {.wanted = ReadOnly, .may_spill = true, .has_primary = true}) ==
          Indices{1});
}

TEST_CASE("one whose logins fail comes after its equals, before the next rank") {
    RoutePlace failing = kReplica;
    failing.is_failing = true;
    const RouteRequest reads = {.wanted = PreferStandby, .has_primary = true};
    CHECK(chosen({kPrimary, failing, kReplica}, reads) == Indices{2});
    CHECK(chosen({kPrimary, failing}, reads) == Indices{1});
    RoutePlace excluded = kReplica;
    excluded.bar = RouteBar::Tried;
    CHECK(chosen({kPrimary, excluded}, reads) == Indices{0});
    CHECK(chosen({excluded}, reads).empty());
}

TEST_CASE("a backend without weight does not hide the next rank") {
    const std::vector<RoutePlace> places = {kPrimary, kReplica};
    std::vector<Candidate> candidates(2);
    candidates[1].weight = 0;
    CHECK(mark_best(places, {.wanted = PreferStandby, .has_primary = true}, candidates));
    CHECK(candidates[0].is_eligible);
}

TEST_CASE("a trial is for half-open backends of the role") {
    const EndpointVerdict half_open = place(Role::Replica, HealthState::HalfOpen).verdict;
    CHECK(may_try(half_open, Any));
    CHECK(may_try(half_open, ReadOnly));
    CHECK_FALSE(may_try(half_open, ReadWrite));
    CHECK_FALSE(may_try(kReplica.verdict, ReadOnly));
    const EndpointVerdict primary = place(Role::Primary, HealthState::HalfOpen).verdict;
    CHECK(may_try(primary, ReadWrite));
    CHECK_FALSE(may_try(primary, ReadOnly));
}

TEST_CASE("what has begun to wait is asked again with the same rules") {
    CHECK(may_serve(kPrimary.verdict, ReadWrite));
    CHECK_FALSE(may_serve(kReplica.verdict, ReadWrite));
    CHECK_FALSE(may_serve(place(Role::Primary, HealthState::Ejected).verdict, ReadWrite));
    CHECK(may_serve(kPrimary.verdict, ReadOnly));
    CHECK_FALSE(may_serve(kPrimary.verdict, Standby));
}

TEST_CASE("a fifth of the requests may look elsewhere") {
    RetryBudget budget;
    int taken = 0;
    while (budget.try_take())
        ++taken;
    CHECK(taken == 10);
    for (int i = 0; i < 50; ++i)
        budget.on_request();
    for (taken = 0; budget.try_take();)
        ++taken;
    CHECK(taken >= 9);
    CHECK(taken <= 10);
}

TEST_CASE("a backend without a rank has a reason") {
    const auto bar = [](const RoutePlace& one, const RouteRequest& request) {
        const RouteStanding standing = standing_of(one, request);
        CHECK((standing.rank == RouteRank::Never) == (standing.bar != RouteBar::None));
        return standing.bar;
    };
    RoutePlace behind = kReplica;
    behind.bar = RouteBar::Behind;
    CHECK(bar(behind, {.wanted = Any}) == RouteBar::Behind);
    RoutePlace open = kReplica;
    open.verdict.is_open = true;
    CHECK(bar(open, {.wanted = Any}) == RouteBar::ForcedOpen);
    CHECK(bar(place(Role::Replica, HealthState::Draining), {.wanted = Any}) == RouteBar::Out);
    CHECK(bar(kReplica, {.wanted = ReadWrite}) == RouteBar::OtherRole);
    CHECK(bar(kPrimary, {.wanted = Standby}) == RouteBar::OtherRole);
    CHECK(bar(kPrimary, {.wanted = ReadOnly, .has_primary = true}) == RouteBar::NoSpill);
    CHECK(bar(kSick, {.wanted = ReadOnly, .has_primary = true}) == RouteBar::Sick);
    CHECK(bar(kReplica, {.wanted = ReadOnly}) == RouteBar::None);
    for (size_t i = 1; i < static_cast<size_t>(RouteBar::kCount); ++i)
        CHECK_FALSE(bar_text(static_cast<RouteBar>(i)).empty());
}

TEST_CASE("a trial is offered where nothing but the state is in the way") {
    RoutePlace half = place(Role::Replica, HealthState::HalfOpen);
    CHECK(is_trial_due(half, 1, ReadOnly));
    CHECK_FALSE(is_trial_due(half, 0, ReadOnly));
    CHECK_FALSE(is_trial_due(half, 1, ReadWrite));
    half.bar = RouteBar::Tried;
    CHECK_FALSE(is_trial_due(half, 1, ReadOnly));
}

}  // namespace weir::route_test
