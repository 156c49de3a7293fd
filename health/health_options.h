// HealthOptions: every number by which endpoints are judged. Each is an option of the configuration
// and may change on RELOAD; the defaults stand here once. Thread: any (a value).
#pragma once

#include <cstdint>

#include "protocol/base/clock.h"

namespace weir {

struct HealthOptions {
    // Probes. The fast interval holds while an endpoint is not UP (HAProxy's fastinter); the jitter
    // keeps many proxies from probing in step.
    Duration probe_interval = std::chrono::seconds(2);
    Duration probe_interval_fast = std::chrono::milliseconds(500);
    Duration probe_timeout = std::chrono::seconds(1);
    uint32_t probe_jitter_percent = 20;  // of the interval, both ways

    // Error factor: EWMA over time, but no sample weighs less than ewma_weight_min.
    Duration ewma_tau = std::chrono::seconds(5);  // of errors and of latency
    double ewma_weight_min = 1.0 / 64;
    double error_score_min = 0.02;

    // Latency factor.
    Duration latency_floor = std::chrono::milliseconds(1);  // below it all are equally fast
    double latency_tolerance = 1.25;  // this many times the best costs nothing
    double latency_score_min = 1.0 / 16;
    Duration latency_baseline_tau = std::chrono::minutes(10);  // single endpoint: its own past

    // Lag factor and gate, replicas only.
    Duration lag_soft = std::chrono::seconds(2);   // no cost up to here
    Duration lag_hard = std::chrono::seconds(10);  // no reads beyond
    uint64_t lag_hard_bytes = 0;                   // no reads beyond; 0 = bytes do not matter
    double lag_score_unknown = 0.5;
    uint32_t lag_good_probes = 2;  // consecutive probes within lag_soft that open the gate

    // Warm-up after a recovery, and how slowly the score rises.
    Duration slow_start = std::chrono::seconds(30);  // 0 = none
    double slow_start_min = 0.1;
    Duration rise_tau = std::chrono::seconds(10);

    // DEGRADED, with hysteresis.
    double degraded_below = 0.5;
    double up_from = 0.7;

    // Ejection.
    uint32_t ejection_consecutive = 5;       // local-origin failures in a row; 0 = never
    uint32_t ejection_failure_percent = 50;  // of the last 10 s; 0 = never
    uint32_t ejection_samples_min = 20;      // of the last 10 s, for the percentage to count
    uint32_t ejection_probes = 3;            // failed probes in a row; 0 = never
    Duration ejection_time = std::chrono::seconds(5);  // times the number of recent ejections
    Duration ejection_time_max = std::chrono::seconds(60);
    uint32_t ejection_jitter_percent = 20;  // added
    Duration ejection_forgive =
        std::chrono::seconds(10);  // healthy time that forgives one ejection
    uint32_t half_open_successes = 3;
    Duration trial_timeout = std::chrono::seconds(15);  // a trial that never reports is forgotten

    // Limits to ejection, per role.
    uint32_t max_ejection_percent = 50;
    uint32_t panic_threshold_percent = 50;  // eligible of configured; 0 = never panic
};

}  // namespace weir
