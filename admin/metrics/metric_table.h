// The metric table: every metric once, with its name, kind, labels and meaning. What is served, the
// golden list and conf/metrics.md follow it. Names are Prometheus' (base units; `_total` counts).
//
// Labels are bounded: words of this source, workers, entries of the configuration, and at most
// metrics_pools_max (database, user); whatever goes beyond is summed under `_other`.
// To add one: a row here, its Metric, what fills it in a collect_*.cpp; then
// WEIR_UPDATE_GOLDEN=1 build/weir-golden. Thread: constant.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weir {

// In the order of the table.
enum class Metric : uint8_t {
    BuildInfo,
    ConfigHash,
    ConfigReloadSuccess,
    ConfigReloadTime,
    State,
    ProcessCpu,
    ProcessStart,
    ProcessResident,
    ProcessVirtual,
    ProcessOpenFds,
    ProcessMaxFds,
    Memory,
    StatementsCached,

    Clients,
    ClientsMax,
    Connections,
    ClientLogins,
    ClientHandshakes,
    ClientHandshakesFailed,
    CancelsReceived,
    CancelsSent,
    Errors,
    AuthFailures,

    PoolClients,
    PoolServers,
    PoolPins,
    PoolSizeMax,
    PoolSizeTarget,
    PoolOldestWait,
    PoolTransactions,
    PoolQueries,
    PoolAssignments,
    PoolLogins,
    PoolReceived,
    PoolSent,
    PoolClientParses,
    PoolServerParses,
    PoolBinds,
    PoolPreparedHits,
    PoolPreparedMisses,
    PoolWait,
    PoolQuery,
    PoolTransaction,
    PoolHold,
    PoolsUnlisted,

    ServersOpened,
    ServersClosed,
    ServerLoginsFailed,
    ServerLogins,
    ServerHandshakes,

    BackendInfo,
    BackendState,
    BackendHealth,
    BackendFactor,
    BackendWeight,
    BackendPanic,
    BackendInUse,
    BackendWaiting,
    BackendLag,
    BackendLagBytes,
    BackendBreakerOpen,
    BackendBreakerTrips,
    BackendEjections,
    BackendEjectionsWithheld,
    BackendProbes,
    BackendProbesFailed,

    RateAllowed,
    RateDelayed,
    RateRejected,
    RateLogged,
    LeaksFound,
    LeaksOpen,
    LeaksEnded,
    DnsHosts,
    DnsZones,

    WorkerCpu,
    WorkerLag,
    WorkerConnections,
    WorkerServers,
    kCount,
};

enum class MetricKind : uint8_t { Counter, Gauge, Histogram };
[[nodiscard]] std::string_view to_text(MetricKind kind);

struct MetricSpec {
    Metric metric;
    std::string_view name;
    MetricKind kind;
    std::string_view labels;  // names, by comma
    std::string_view help;    // a sentence
};

[[nodiscard]] std::span<const MetricSpec> metric_table();
[[nodiscard]] const MetricSpec& spec_of(Metric metric);

// conf/metrics.md.
[[nodiscard]] std::string metric_reference();
// tests/golden/metrics.txt: `name kind labels`, a line each.
[[nodiscard]] std::string metric_list();

}  // namespace weir
