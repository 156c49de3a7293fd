// Rate limits, wrong passwords, leaks and host names.
#include "admin/metrics/collector.h"

namespace weir {

namespace {

void add_rules(Exposition& out, const std::vector<RateRulePtr>& rules) {
    for (const RateRulePtr& rule : rules) {
        const std::string& name = rule->config().name;
        const RateRule::Totals totals = rule->totals();
        out.add(Metric::RateAllowed, {name}, static_cast<double>(totals.allowed));
        out.add(Metric::RateDelayed, {name}, static_cast<double>(totals.delayed));
        out.add(Metric::RateRejected, {name}, static_cast<double>(totals.rejected));
        out.add(Metric::RateLogged, {name}, static_cast<double>(totals.logged));
    }
}

void add_leaks(const MetricsInput& input, Exposition& out) {
    LeakTotals totals;
    for (const WorkerCensus& worker : input.census)
        totals.add(worker.leaks);
    for (size_t i = 0; i < kLeakKinds; ++i) {
        const char* kind = code_of(static_cast<LeakKind>(i));
        out.add(Metric::LeaksFound, {kind}, static_cast<double>(totals.found[i]));
        out.add(Metric::LeaksOpen, {kind}, static_cast<double>(totals.open[i]));
        out.add(Metric::LeaksEnded, {kind}, static_cast<double>(totals.killed[i]));
    }
}

void add_hosts(const MetricsInput& input, Exposition& out) {
    size_t resolved = 0, failed = 0, pending = 0;
    for (const HostTable::Row& host : input.inspector.dns_hosts()) {
        ++(!host.ips.empty() ? resolved : host.is_asked ? pending : failed);
    }
    out.add(Metric::DnsHosts, {"resolved"}, static_cast<double>(resolved));
    out.add(Metric::DnsHosts, {"failed"}, static_cast<double>(failed));
    out.add(Metric::DnsHosts, {"pending"}, static_cast<double>(pending));
    out.add(Metric::DnsZones, static_cast<double>(input.inspector.dns_zones().size()));
}

}  // namespace

void collect_limits(const MetricsInput& input, Exposition& out) {
    const RateRulesPtr rules = input.inspector.rate_rules();
    add_rules(out, rules->accept);
    add_rules(out, rules->login);
    add_rules(out, rules->transaction);
    const AuthFailures::Totals passwords = input.inspector.auth_failures().totals();
    out.add(Metric::AuthFailures, {"failed"}, static_cast<double>(passwords.failed));
    out.add(Metric::AuthFailures, {"delayed"}, static_cast<double>(passwords.delayed));
    out.add(Metric::AuthFailures, {"refused"}, static_cast<double>(passwords.refused));
    add_leaks(input, out);
    add_hosts(input, out);
}

}  // namespace weir
