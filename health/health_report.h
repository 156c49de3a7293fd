// What the registry tells others: what has changed, for log, metrics and routes; and rows for the
// console. Thread: any (values; copies, no reference to what they were taken from).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "health/breaker_state.h"
#include "health/endpoint.h"
#include "health/health_state.h"
#include "health/role_judge.h"
#include "health/score.h"
#include "protocol/base/clock.h"
#include "protocol/base/histogram.h"

namespace weir {

// One line of SHOW HEALTH_EVENTS.
struct HealthEvent {
    enum class Kind : uint8_t { State, Role, Breaker, Notice };
    Kind kind = Kind::State;
    Instant at;
    std::string backend;  // its name; the databases' of a cluster for its notices
    std::string address;  // empty for those
    std::string from;     // state, role or breaker; empty for notices
    std::string to;
    std::string reason;
    bool is_alert = false;  // worth a warning; the rest is information
};

struct HealthChanges {
    std::vector<HealthEvent> events;
    // Some endpoint's state, role, panic or breaker is published anew: who waits may have to go
    // elsewhere.
    bool routes_changed = false;
};

// One line of SHOW BACKENDS and of SHOW HEALTH.
struct BackendRow {
    std::string name;
    std::string address;
    std::string host;
    uint16_t port = 0;
    std::string databases;  // of its cluster, by comma
    std::string zone;
    Role role = Role::Unknown;
    HealthState state = HealthState::Up;
    bool is_panic = false;
    bool is_probed = false;
    double weight = 1;      // in force: configured, or the operator's
    uint32_t health = 100;  // 100 * h
    Factors factors;
    uint32_t in_use = 0;
    uint32_t waiting = 0;
    EndpointPosition position;
    uint32_t timeline = 0;      // 0 = unknown
    int32_t backend_count = 0;  // numbackends, of all clients
    std::string why;            // reason of the last transition
    Instant since;              // of the state
    Instant probed_at;          // last good probe; never = none
    std::string probe_error;    // of the last probe; empty = it was good
    HistogramTotals probes;     // since the start: round trips of those that were answered
    uint64_t probes_failed = 0;
    std::string patroni;     // its word or why there is none; empty = it has no Patroni
    uint64_t ejections = 0;  // since the start
    uint64_t ejections_withheld = 0;
    BreakerRow queries;
    BreakerRow connects;
    std::string alerts;                   // that hold now, of it and of its cluster, by semicolon
    std::vector<Transition> transitions;  // the last ones, the newest first
};

struct HealthSnapshot {
    Instant at;
    std::vector<BackendRow> backends;
    std::vector<HealthEvent> events;  // the newest last; bounded
};

}  // namespace weir
