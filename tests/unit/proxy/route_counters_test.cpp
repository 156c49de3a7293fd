// Goal: what is counted for a reason and a target is found under their names, and nowhere else.
// Method: one of each, summed over two workers.
#include "proxy/routing/route_counters.h"

#include <doctest/doctest.h>

#include <set>

namespace weir::route_counters_test {
namespace {

TEST_CASE("each reason has its place and its name") {
    std::set<std::string> names;
    for (size_t i = 0; i < RouteReason::kCount; ++i) {
        CHECK(RouteReason::at(i).index() == i);
        names.insert(RouteReason::at(i).name());
    }
    CHECK(names.size() == RouteReason::kCount);
    CHECK(RouteReason().name() == "target_session_attrs=any");
    CHECK(RouteReason(TargetSessionAttrs::PreferStandby).name() ==
          "target_session_attrs=prefer-standby");
    CHECK(RouteReason(SplitReason::Off).name() == "off");
    CHECK(RouteReason(SplitReason::ReadOnlyBlock).name() == "read_only_block");
}

TEST_CASE("targets are roles") {
    CHECK(to_text(target_of(Role::Primary)) == "primary");
    CHECK(to_text(target_of(Role::Replica)) == "replica");
    CHECK(to_text(target_of(Role::Unknown)) == "any");
}

TEST_CASE("workers are summed") {
    RouteCounters one;
    RouteCounters two;
    const RouteReason reason(SplitReason::NotProven);
    one.sent(reason, RouteTarget::Primary);
    two.sent(reason, RouteTarget::Primary);
    two.sent(RouteReason(), RouteTarget::Any);
    one.note(RouteEvent::Held);
    two.note(RouteEvent::Trial);
    RouteTotals totals;
    totals.add(one);
    totals.add(two);
    uint64_t sum = 0;
    for (const auto& targets : totals.sent_to) {
        for (const uint64_t count : targets)
            sum += count;
    }
    CHECK(sum == 3);
    CHECK(totals.sent_to[reason.index()][static_cast<size_t>(RouteTarget::Primary)] == 2);
    CHECK(totals.sent_to[0][static_cast<size_t>(RouteTarget::Any)] == 1);
    CHECK(totals.events[static_cast<size_t>(RouteEvent::Held)] == 1);
    CHECK(totals.events[static_cast<size_t>(RouteEvent::Trial)] == 1);
    CHECK(totals.events[static_cast<size_t>(RouteEvent::Rejected)] == 0);
}

}  // namespace
}  // namespace weir::route_counters_test
