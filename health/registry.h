// HealthRegistry: all clusters that are watched. Evidence comes in (intakes, probes), verdicts go
// out to the Endpoints, and what has changed is told.
//
// A RELOAD keeps what is known of every endpoint that stays: state, score, role, drained or down.
// An endpoint that is no longer listed is unwatched again, and forgotten. Pure: the time is passed
// in. Owner: HealthThread. Thread: the owner's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "health/backend_spec.h"
#include "health/cluster.h"
#include "health/endpoint_table.h"
#include "health/health_report.h"
#include "health/probe_report.h"
#include "protocol/base/random.h"
#include "protocol/base/result.h"

namespace weir {

// What the prober has to know.
struct ProbeTarget {
    Endpoint* endpoint = nullptr;
    ProbeLogin login;
};

// What the watch on Patroni has to know.
struct PatroniTarget {
    Endpoint* endpoint = nullptr;
    std::string url;
};

class HealthRegistry {
  public:
    static constexpr size_t kEventsMax = 200;  // kept for SHOW HEALTH

    // `table` is borrowed and outlives this.
    HealthRegistry(EndpointTable& table, uint64_t seed) : table_(table), random_(seed) {}
    HealthRegistry(const HealthRegistry&) = delete;
    HealthRegistry& operator=(const HealthRegistry&) = delete;

    // At start and RELOAD. Verdicts are published by the next apply().
    void configure(const HealthPlan& plan, Instant now);

    // Drains the intakes, lets time pass, judges roles, publishes. What has happened since the last
    // call is returned. To be called every 100 ms, and whenever there is news.
    [[nodiscard]] HealthChanges apply(Instant now);

    // --- for the prober
    [[nodiscard]] std::vector<ProbeTarget> probe_targets() const;
    // Of the endpoint's cluster, for ProbeResult::primary_lsn; 0 = unknown.
    [[nodiscard]] uint64_t primary_lsn(const Endpoint& endpoint) const;
    void on_probe(const Endpoint& endpoint, const ProbeReport& report, Instant now);
    // The probe's connection broke while nothing was asked.
    void on_evidence_lost(const Endpoint& endpoint, Instant now);
    // From the beginning of the probe that ended now to the next.
    [[nodiscard]] Duration next_probe_pause(const Endpoint& endpoint, bool was_good, Instant now);
    // Whether the endpoint is to be probed at once; asked once, no longer.
    [[nodiscard]] bool take_hurry(const Endpoint& endpoint);

    // --- for the watch on Patroni
    // Of clusters with probes only: without them there is nothing to hurry.
    [[nodiscard]] std::vector<PatroniTarget> patroni_targets() const;
    // An error says why there was no answer, in one line.
    void on_patroni(const Endpoint& endpoint, const Result<PatroniAnswer>& said, Instant now);
    // From the beginning of the question that ended now to the next.
    [[nodiscard]] Duration next_patroni_pause(const Endpoint& endpoint);

    // --- the operator's; `name` is a backend's name or address. Error 42704 when there is none,
    // 22023 for a weight that is none. Published by the next apply().
    enum class Order : uint8_t {
        Drain,
        Down,
        Enable,
        ResetRoles,    // of its whole cluster
        BreakerOpen,   // nothing new for it, whatever it takes; work in progress goes on
        BreakerClose,  // its failures are ignored
        BreakerReset,  // no longer forced, and all is forgotten
    };
    [[nodiscard]] Status give(Order order, std::string_view name, Instant now);
    // No weight = the configured one again.
    [[nodiscard]] Status reweight(std::string_view name, std::optional<double> weight);

    [[nodiscard]] HealthSnapshot snapshot(Instant now) const;
    [[nodiscard]] bool is_empty() const { return clusters_.empty(); }

  private:
    struct Place {
        size_t cluster = 0;
        size_t member = 0;
    };
    using Known = std::unordered_map<const Endpoint*, std::pair<HealthMember, size_t>>;

    [[nodiscard]] std::optional<Place> find(const Endpoint& endpoint) const;
    [[nodiscard]] std::optional<Place> find(std::string_view name) const;
    [[nodiscard]] HealthMember make_member(const EndpointPlan& plan, const HealthOptions& options,
                                           Known& known, Instant now);
    void add_cluster(const ClusterPlan& plan, const HealthOptions& options, Known& known,
                     const std::vector<std::unique_ptr<HealthCluster>>& before, Instant now);
    void notice(const HealthMember& member, std::string text, bool is_alert, Instant now);
    void remember(const std::vector<HealthEvent>& events);

    EndpointTable& table_;
    Prng random_;
    std::vector<std::unique_ptr<HealthCluster>> clusters_;
    std::unordered_map<const Endpoint*, Place> places_;
    HealthChanges pending_;
    std::deque<HealthEvent> events_;
};

}  // namespace weir
