// Score: how well an endpoint is, from 0 to 1, as a product of four factors.
//
//     error    max(0.02, (1-e)^3), e an EWMA of failures
//     latency  clamp(1.25/rho, 1/16, 1), rho how many times slower than the best of its role;
//              without peers clamp(4/rho, 1/16, 1), rho how many times slower than it used to be;
//              with peers 4/rho, too, while all of the role have more to do than they can
//     lag      1 up to lag_soft, down to 0 at lag_hard; replicas only
//     warm     max(0.1, time since recovery / slow_start): Envoy's slow start with aggression 1
//
//     raw = error * latency * lag;  h follows raw down at once and up slowly (10 s)
//     share of the traffic = weight * h * warm
//
// Latency is a geometric mean (EWMA of logarithms) and not a peak: a database answers look-ups in a
// millisecond and reports in seconds, and a peak would jump with each report. Where both sides have
// had enough statements, these say it all, and probes only stand in for them: on machines with more
// to do than they can, probes of a millisecond wait for a core, one endpoint's longer than
// another's, and where statements take a tenth of a second that tells nothing of who is slow. For
// the same reason a single slow probe among quick ones counts for nothing (median_of_three.h), and
// where all are saturated twice the time is no sickness: equal servers on one machine differ by as
// much for seconds, as its scheduler likes it. The mean is that of the last 64 statements or so,
// but of a second at least: at hundreds a second 64 are a moment, and a server that stood still for
// a moment would be avoided for the ten seconds that h takes to rise.
//
// Load is not in the score; it is the other half of the choice (selection.h).
// Pure; no allocation. Owner: EndpointHealth. Thread: the owner's.
#pragma once

#include <cstdint>
#include <optional>

#include "health/ewma.h"
#include "health/health_options.h"
#include "health/median_of_three.h"
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

// The smallest mean log_latency of the other eligible endpoints of a role. Probes are compared with
// probes and statements with statements: an endpoint that only answers probes would else make all
// those look slow that do the work.
struct BestLatency {
    std::optional<double> probe = {};      // empty = it has no peers: its own past is compared with
    std::optional<double> statement = {};  // empty = no peer has had enough of them lately
    // Work waits for each eligible endpoint of the role, this one included.
    bool is_saturated = false;
};

class Score {
  public:
    // `count` results of one kind, spread evenly since the last ones.
    void on_result(bool is_failure, uint64_t count, Instant now, const HealthOptions& options);
    // The logarithm (log_latency) of one probe's round trip. The mean begins at the floor, where
    // nobody is slow, and a single slow probe among quick ones does not move it.
    void on_probe(double latency_log, Instant now, const HealthOptions& options);
    // `count` statements of which the mean logarithm is given.
    void on_statements(double mean_log, uint64_t count, Instant now, const HealthOptions& options);
    void on_lag(const Lag& lag) { lag_ = lag; }

    // The endpoint is back: its failures and its statements are forgotten and it warms up. h starts
    // at raw, not where the outage left it: one ramp is enough.
    void on_recovery(Instant now, const HealthOptions& options);

    // Computes the factors and h as of now.
    void update(Instant now, const BestLatency& best, const HealthOptions& options);

    [[nodiscard]] const Factors& factors() const { return factors_; }  // as of the last update
    [[nodiscard]] double raw() const { return raw_; }
    [[nodiscard]] double h() const { return h_; }
    [[nodiscard]] double error_rate() const { return errors_.value(); }
    // Of probes; empty before the first.
    [[nodiscard]] std::optional<double> latency_log() const;
    // Of statements; empty when there were too few lately to say.
    [[nodiscard]] std::optional<double> statement_log(Instant now,
                                                      const HealthOptions& options) const;
    [[nodiscard]] const Lag& lag() const { return lag_; }

  private:
    void compute_factors(Instant now, const BestLatency& best, const HealthOptions& options);
    [[nodiscard]] double tolerance(const HealthOptions& options) const;
    [[nodiscard]] double recent_statements(Instant now, const HealthOptions& options) const;

    Ewma errors_{0.0};
    std::optional<MedianOfThree> probes_;
    Ewma latency_;
    Ewma baseline_;
    Ewma statements_;
    double statement_count_ = 0;  // decays with ewma_tau
    Instant counted_at_;
    Lag lag_;
    Ewma saturation_{0.0};  // 1 = all of its role, all of the time
    Instant recovered_at_;  // never = it was not away
    Instant updated_at_;
    Factors factors_;
    double probe_factor_ = 1;  // what probes alone make of latency
    double raw_ = 1;
    double h_ = 1;
};

}  // namespace weir
