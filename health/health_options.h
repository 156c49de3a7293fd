// HealthOptions: every number by which endpoints are judged. Each is an option of the configuration
// and may change on RELOAD; the defaults stand here once. Thread: any (a value).
#pragma once

#include <cstdint>

#include "protocol/base/clock.h"

namespace weir {

struct HealthOptions {
    // Probes. The fast interval holds while an endpoint is not UP (HAProxy's fastinter); the jitter
    // keeps many proxies from probing in step.
    //
    // A server that answers nothing any more is seen by its probes alone: that statements do not
    // end is no evidence. At worst it freezes right after an answer, and is ejected after
    //     1.2 * probe_interval + ejection_probes * probe_timeout + 2 * 20 ms (the prober's breath)
    //     = 1.2 s + 3 * 0.6 s + 0.04 s = 3.04 s, of the 4 s that it may take.
    // The other bound: evidence for a primary holds for 2 * probe_interval. One probe that times
    // out must not cost the role: 1.2 s + 0.6 s + 20 ms leaves 180 ms for the next one to answer.
    Duration probe_interval = std::chrono::seconds(1);
    Duration probe_interval_fast = std::chrono::milliseconds(500);
    Duration probe_timeout = std::chrono::milliseconds(600);
    uint32_t probe_jitter_percent = 20;  // of the interval, both ways

    // Questions to a Patroni (patroni_hint.h), with the same jitter.
    Duration patroni_interval = std::chrono::milliseconds(250);
    Duration patroni_timeout = std::chrono::milliseconds(200);

    // Error factor: EWMA over time, but no sample weighs less than ewma_weight_min.
    Duration ewma_tau = std::chrono::seconds(5);  // of errors and of latency
    double ewma_weight_min = 1.0 / 64;
    double error_score_min = 0.02;

    // Latency factor.
    Duration latency_floor = std::chrono::milliseconds(1);  // below it all are equally fast
    uint32_t latency_samples_min = 10;  // statements within ewma_tau, for their mean to count
    // However many of them there are, the mean is that of this time at least.
    Duration latency_tau_min = std::chrono::seconds(1);
    double latency_tolerance = 1.25;  // this many times the best costs nothing
    // The same of an endpoint without peers, which is compared with its own past, and of all while
    // their role is saturated for this share of the time (an EWMA, ewma_tau). More, since load
    // alone makes a server slower than it was and than others are, and saturation is no sickness.
    double latency_tolerance_loaded = 4;
    double saturated_from = 0.2;
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

    // Breaker of connects (circuit_breaker.h); its triggers and trials are those of ejection.
    Duration breaker_backoff = std::chrono::seconds(1);  // doubles up to
    Duration breaker_backoff_max = std::chrono::seconds(30);
    bool breaker_dry_run = false;  // judge and tell, but let traffic go on: ejections, too

    // Limits to ejection, per role.
    uint32_t max_ejection_percent = 50;
    uint32_t panic_threshold_percent = 50;  // eligible of configured; 0 = never panic
};

}  // namespace weir
