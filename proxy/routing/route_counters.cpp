#include "proxy/routing/route_counters.h"

#include <iterator>

namespace weir {

namespace {

constexpr std::string_view kTargets[] = {"primary", "replica", "any"};
static_assert(std::size(kTargets) == RouteCounters::kTargets);

constexpr std::string_view kEvents[] = {
    "held", "released", "rejected", "rerouted", "spilled", "trial",
};
static_assert(std::size(kEvents) == RouteCounters::kEvents);

}  // namespace

std::string RouteReason::name() const {
    if (index_ >= kWishes)
        return std::string(reason_name(static_cast<SplitReason>(index_ - kWishes)));
    return std::string("target_session_attrs=") +
           to_string(static_cast<TargetSessionAttrs>(index_));
}

RouteTarget target_of(Role role) {
    switch (role) {
        case Role::Primary: return RouteTarget::Primary;
        case Role::Replica: return RouteTarget::Replica;
        case Role::Unknown: break;
    }
    return RouteTarget::Any;
}

std::string_view to_text(RouteTarget target) {
    return kTargets[static_cast<size_t>(target)];
}

std::string_view to_text(RouteEvent event) {
    return kEvents[static_cast<size_t>(event)];
}

void RouteTotals::add(const RouteCounters& counters) {
    for (size_t reason = 0; reason < sent_to.size(); ++reason) {
        for (size_t target = 0; target < sent_to[reason].size(); ++target)
            sent_to[reason][target] += counters.sent_to[reason][target].get();
    }
    for (size_t event = 0; event < events.size(); ++event)
        events[event] += counters.events[event].get();
}

}  // namespace weir
