// What health knows of each server of a routed database.
#include <algorithm>

#include "admin/metrics/collector.h"

#include "protocol/base/lower_case.h"

namespace weir {

namespace {

constexpr HealthState kStates[] = {
    HealthState::Up,      HealthState::Degraded, HealthState::Ejected, HealthState::HalfOpen,
    HealthState::Lagging, HealthState::Draining, HealthState::Down};

void add_breaker(Exposition& out, const std::string& name, std::string_view which,
                 const BreakerRow& breaker) {
    const double how_far = breaker.state == BreakerState::Open       ? 1
                           : breaker.state == BreakerState::HalfOpen ? 0.5
                                                                     : 0;
    out.add(Metric::BackendBreakerOpen, {name, which}, how_far);
    out.add(Metric::BackendBreakerTrips, {name, which}, static_cast<double>(breaker.opened));
}

std::string_view role_text(Role role) {
    switch (role) {
        case Role::Primary: return "primary";
        case Role::Replica: return "replica";
        case Role::Unknown: break;
    }
    return "unknown";
}

void add_backend(Exposition& out, const std::string& name, const BackendRow& row) {
    out.add(Metric::BackendInfo, {name, row.address, row.databases, row.zone, role_text(row.role)},
            1);
    for (const HealthState state : kStates)
        out.add(Metric::BackendState, {name, lower_case(to_text(state))},
                state == row.state ? 1 : 0);
    out.add(Metric::BackendHealth, {name}, row.health / 100.0);
    out.add(Metric::BackendFactor, {name, "error"}, row.factors.error);
    out.add(Metric::BackendFactor, {name, "latency"}, row.factors.latency);
    out.add(Metric::BackendFactor, {name, "lag"}, row.factors.lag);
    out.add(Metric::BackendFactor, {name, "warm"}, row.factors.warm);
    out.add(Metric::BackendWeight, {name}, row.weight);
    out.add(Metric::BackendPanic, {name}, row.is_panic ? 1 : 0);
    out.add(Metric::BackendInUse, {name}, row.in_use);
    out.add(Metric::BackendWaiting, {name}, row.waiting);
    if (row.position.lag)
        out.add(Metric::BackendLag, {name}, static_cast<double>(row.position.lag->count()) / 1e6);
    if (row.position.lag_bytes)
        out.add(Metric::BackendLagBytes, {name}, static_cast<double>(*row.position.lag_bytes));
    add_breaker(out, name, "query", row.queries);
    add_breaker(out, name, "connect", row.connects);
    out.add(Metric::BackendEjections, {name}, static_cast<double>(row.ejections));
    out.add(Metric::BackendEjectionsWithheld, {name}, static_cast<double>(row.ejections_withheld));
    out.add(Metric::BackendProbes, {name}, row.probes);
    out.add(Metric::BackendProbesFailed, {name}, static_cast<double>(row.probes_failed));
}

}  // namespace

void collect_backends(const MetricsInput& input, Exposition& out) {
    for (const BackendRow& row : input.health.backends)
        add_backend(out, row.name.empty() ? row.address : row.name, row);
}

}  // namespace weir
