// Score: how well an endpoint is, from 0 to 1, as a product of four factors.
//
//     error    max(0.02, (1-e)^3), e an EWMA of failures
//     latency  clamp(1.25/rho, 1/16, 1), rho how many times slower than the best of its role
//     lag      1 up to lag_soft, down to 0 at lag_hard; replicas only
//     warm     max(0.1, time since recovery / slow_start): Envoy's slow start with aggression 1
//
//     raw = error * latency * lag;  h follows raw down at once and up slowly (10 s)
//     share of the traffic = weight * h * warm
//
// Latency is a geometric mean (EWMA of logarithms) and not a peak: a database answers look-ups in a
// millisecond and reports in seconds, and a peak would jump with each report. Load is not in the
// score; it is the other half of the choice (selection.h).
// Pure; no allocation. Owner: EndpointHealth. Thread: the owner's.
#pragma once

#include <cstdint>
#include <optional>

#include "health/ewma.h"
#include "health/health_options.h"
#include "protocol/base/clock.h"

namespace weir {

struct Factors {
    double error = 1;
    double latency = 1;
    double lag = 1;
    double warm = 1;
};

// How far a replica is behind. Not a replica: neither lag nor uncertainty.
struct Lag {
    bool is_replica = false;
    std::optional<Duration> delay;  // empty = unknown
    std::optional<uint64_t> bytes;  // behind the newest known LSN of the primary; empty = unknown
};

// The lag factor. Takes any lag, gives 0..1.
[[nodiscard]] double lag_score(const Lag& lag, const HealthOptions& options);
// Whether a replica is too far behind for reads.
[[nodiscard]] bool is_beyond_hard_lag(const Lag& lag, const HealthOptions& options);
// The logarithm (of microseconds) that latencies are averaged in.
[[nodiscard]] double log_latency(Duration latency, const HealthOptions& options);

class Score {
  public:
    // `count` results of one kind, spread evenly since the last ones.
    void on_result(bool is_failure, uint64_t count, Instant now, const HealthOptions& options);
    // `count` latencies of which the mean logarithm (log_latency) is given.
    void on_latency(double mean_log, uint64_t count, Instant now, const HealthOptions& options);
    void on_lag(const Lag& lag) { lag_ = lag; }

    // The endpoint is back: its failures are forgotten and it warms up. h starts at raw, not where
    // the outage left it: one ramp is enough.
    void on_recovery(Instant now, const HealthOptions& options);

    // Computes the factors and h as of now. `best_log` is the smallest log_latency of the eligible
    // endpoints of its role, itself or not; empty when it is the only one: then its own last ten
    // minutes are what it is compared with.
    void update(Instant now, std::optional<double> best_log, const HealthOptions& options);

    [[nodiscard]] const Factors& factors() const { return factors_; }  // as of the last update
    [[nodiscard]] double raw() const { return raw_; }
    [[nodiscard]] double h() const { return h_; }
    [[nodiscard]] double error_rate() const { return errors_.value(); }
    // Empty before the first latency.
    [[nodiscard]] std::optional<double> latency_log() const;
    [[nodiscard]] const Lag& lag() const { return lag_; }

  private:
    void compute_factors(Instant now, std::optional<double> best_log, const HealthOptions& options);

    Ewma errors_{0.0};
    Ewma latency_;
    Ewma baseline_;
    Lag lag_;
    Instant recovered_at_;  // never = it was not away
    Instant updated_at_;
    Factors factors_;
    double raw_ = 1;
    double h_ = 1;
};

}  // namespace weir
