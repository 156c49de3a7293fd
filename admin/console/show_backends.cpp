// SHOW BACKENDS, SHOW HEALTH, SHOW HEALTH_EVENTS and SHOW BREAKERS: the servers of databases that
// are routed over several, and what is thought of them.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>

#include "admin/console/show_specs.h"

namespace weir {

namespace {

constexpr ResultColumn kBackendColumns[] = {
    {"name"},
    {"host"},
    {"port", ColumnType::Int4},
    {"databases"},
    {"zone"},
    {"role"},
    {"state"},
    {"health", ColumnType::Int4},
    {"err"},
    {"lat"},
    {"lag"},
    {"warm"},
    {"weight"},
    {"in_use", ColumnType::Int4},
    {"waiting", ColumnType::Int4},
    {"lag_seconds"},
    {"lag_bytes", ColumnType::Int8},
    {"timeline", ColumnType::Int8},
    {"server_connections", ColumnType::Int4},
    {"breaker"},
    {"connect_breaker"},
    {"why"},
    {"since", ColumnType::Time},
    {"probed", ColumnType::Time},
    {"probe_error"},
    {"ejections", ColumnType::Int8},
    {"ejections_withheld", ColumnType::Int8},
    {"routed", ColumnType::Int8},
};
constexpr ResultColumn kHealthColumns[] = {
    {"backend"},
    {"address"},
    {"role"},
    {"state"},
    {"health", ColumnType::Int4},
    {"err"},
    {"lat"},
    {"lag"},
    {"warm"},
    {"failures_ignored", ColumnType::Int4},
    {"why"},
    {"since", ColumnType::Time},
    {"alerts"},
    {"last_transitions"},
    {"patroni"},
};
constexpr ResultColumn kEventColumns[] = {
    {"time", ColumnType::Time},
    {"backend"},
    {"address"},
    {"kind"},
    {"from_state"},
    {"to_state"},
    {"why"},
    {"alert", ColumnType::Int4},
};
constexpr ResultColumn kBreakerColumns[] = {
    {"backend"},
    {"address"},
    {"operation"},
    {"state"},
    {"forced", ColumnType::Int4},
    {"in_force", ColumnType::Int4},
    {"why"},
    {"since", ColumnType::Time},
    {"next_try_ms", ColumnType::Int8},
    {"opened", ColumnType::Int8},
};

constexpr size_t kTransitionsMax = 3;

Cell factor(double value) {
    return fmt::format("{:.2f}", value);
}

Cell lag_seconds(const std::optional<Duration>& lag) {
    constexpr double kUsPerSecond = 1e6;
    if (!lag) return {};
    return fmt::format("{:.3f}", static_cast<double>(lag->count()) / kUsPerSecond);
}

// How many transactions have got a connection to each backend, by its address. Of sessions that
// keep their connection, how many sessions.
std::map<std::string, uint64_t> routed_by_address(PoolSet& pools) {
    std::map<std::string, uint64_t> routed;
    pools.for_each_pool([&routed](Pool& pool) {
        if (pool.endpoint() == nullptr) return;
        uint64_t& count = routed[pool.endpoint()->address()];
        for (const PoolCounters& counters : pool.counters())
            count += counters.server_assignments.get();
    });
    return routed;
}

Cells backend_row(Inspector& inspector, const BackendRow& row, uint64_t routed) {
    return {row.name,
            row.host,
            row.port,
            row.databases,
            text_or_null(row.zone),
            to_text(row.role),
            to_text(row.state),
            row.health,
            factor(row.factors.error),
            factor(row.factors.latency),
            factor(row.factors.lag),
            factor(row.factors.warm),
            fmt::format("{:g}", row.weight),
            row.in_use,
            row.waiting,
            lag_seconds(row.position.lag),
            row.position.lag_bytes,
            row.timeline == 0 ? Cell() : Cell(row.timeline),
            row.backend_count,
            to_text(row.queries.state),
            to_text(row.connects.state),
            row.why,
            local_time(inspector, row.since),
            local_time(inspector, row.probed_at),
            text_or_null(row.probe_error),
            row.ejections,
            row.ejections_withheld,
            routed};
}

// The newest first, such as "UP -> EJECTED 2026-01-31 12:00:00 UTC (3 failed probes)".
std::string last_transitions(Inspector& inspector, const BackendRow& row) {
    std::string text;
    const size_t count = std::min(row.transitions.size(), kTransitionsMax);
    for (size_t i = 0; i < count; ++i) {
        const Transition& transition = row.transitions[i];
        if (transition.from == transition.to) break;  // the start
        text += fmt::format("{}{} -> {} {} ({})", text.empty() ? "" : "; ",
                            to_text(transition.from), to_text(transition.to),
                            local_time(inspector, transition.at).text(), transition.reason);
    }
    return text;
}

Cells health_row(Inspector& inspector, const BackendRow& row) {
    return {row.name,
            row.address,
            to_text(row.role),
            to_text(row.state),
            row.health,
            factor(row.factors.error),
            factor(row.factors.latency),
            factor(row.factors.lag),
            factor(row.factors.warm),
            row.is_panic,
            row.why,
            local_time(inspector, row.since),
            text_or_null(row.alerts),
            text_or_null(last_transitions(inspector, row)),
            text_or_null(row.patroni)};
}

const char* kind_text(HealthEvent::Kind kind) {
    switch (kind) {
        case HealthEvent::Kind::State: return "state";
        case HealthEvent::Kind::Role: return "role";
        case HealthEvent::Kind::Breaker: return "breaker";
        case HealthEvent::Kind::Notice: break;
    }
    return "notice";
}

Cells event_row(Inspector& inspector, const HealthEvent& event) {
    return {local_time(inspector, event.at),
            event.backend,
            text_or_null(event.address),
            kind_text(event.kind),
            text_or_null(event.from),
            text_or_null(event.to),
            event.reason,
            event.is_alert};
}

Cells breaker_row(Inspector& inspector, const BackendRow& backend, const BreakerRow& row) {
    constexpr int64_t kUsPerMs = 1000;
    Cell next_try;
    if (!row.open_until.is_never()) {
        next_try = std::max<int64_t>((row.open_until - inspector.now()).count() / kUsPerMs, 0);
    }
    return {backend.name,
            backend.address,
            row.operation == BreakerOperation::Connect ? "connect" : "query",
            to_text(row.state),
            row.is_forced,
            row.is_in_force,
            text_or_null(row.why),
            local_time(inspector, row.since),
            next_try,
            row.opened};
}

void show_backends(const ShowInput& input, CommandOutcome& outcome) {
    std::map<std::string, uint64_t> routed = routed_by_address(input.inspector.pools());
    for (const BackendRow& row : input.health->backends)
        outcome.rows.push_back(backend_row(input.inspector, row, routed[row.address]));
}

void show_health(const ShowInput& input, CommandOutcome& outcome) {
    for (const BackendRow& row : input.health->backends)
        outcome.rows.push_back(health_row(input.inspector, row));
}

void show_health_events(const ShowInput& input, CommandOutcome& outcome) {
    for (const HealthEvent& event : input.health->events)
        outcome.rows.push_back(event_row(input.inspector, event));
}

void show_breakers(const ShowInput& input, CommandOutcome& outcome) {
    for (const BackendRow& row : input.health->backends) {
        outcome.rows.push_back(breaker_row(input.inspector, row, row.connects));
        outcome.rows.push_back(breaker_row(input.inspector, row, row.queries));
    }
}

}  // namespace

constinit const ShowSpec kShowBackends = {
    .topic = "BACKENDS", .columns = kBackendColumns, .fill = show_backends, .needs_health = true};
constinit const ShowSpec kShowHealth = {
    .topic = "HEALTH", .columns = kHealthColumns, .fill = show_health, .needs_health = true};
constinit const ShowSpec kShowHealthEvents = {.topic = "HEALTH_EVENTS",
                                              .columns = kEventColumns,
                                              .fill = show_health_events,
                                              .needs_health = true};
constinit const ShowSpec kShowBreakers = {
    .topic = "BREAKERS", .columns = kBreakerColumns, .fill = show_breakers, .needs_health = true};

}  // namespace weir
