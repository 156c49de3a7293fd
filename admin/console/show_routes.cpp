// SHOW ROUTES: how many transactions of each routed (database, user) were sent where and why, and
// what became of those that had to wait or to try again. Reasons that never decided have no row;
// events always have theirs, without a target.
#include "admin/console/show_specs.h"

namespace weir {

namespace {

constexpr ResultColumn kRoutesColumns[] = {
    {"database"}, {"user"}, {"reason"}, {"target"}, {"count", ColumnType::Int8},
};

void add_rows(const PoolKey& key, const RouteTotals& totals, CommandOutcome& outcome) {
    for (size_t reason = 0; reason < totals.sent_to.size(); ++reason) {
        for (size_t target = 0; target < totals.sent_to[reason].size(); ++target) {
            const uint64_t count = totals.sent_to[reason][target];
            if (count == 0) continue;
            outcome.rows.push_back({key.database, key.user, RouteReason::at(reason).name(),
                                    to_text(static_cast<RouteTarget>(target)), count});
        }
    }
    for (size_t event = 0; event < totals.events.size(); ++event) {
        outcome.rows.push_back({key.database,
                                key.user,
                                to_text(static_cast<RouteEvent>(event)),
                                {},
                                totals.events[event]});
    }
}

void show_routes(const ShowInput& input, CommandOutcome& outcome) {
    input.inspector.pools().for_each_group([&outcome](PoolGroup& group) {
        if (group.database_state().removed.load()) return;
        if (const auto totals = group.route_totals()) add_rows(group.key(), *totals, outcome);
    });
}

}  // namespace

constinit const ShowSpec kShowRoutes = {
    .topic = "ROUTES", .columns = kRoutesColumns, .fill = show_routes};

}  // namespace weir
