// PoolSizing: how many connections a pool should have now.
//
//   fixed     max, always
//   demand    what was wanted at once lately, and a tenth more (default)
//   adaptive  the same below a ceiling L that follows the server: more connections than it has
//   cores
//             and disks to serve only make each statement slower
//
// The ceiling, every second while at least half of it is in use:
//
//     s = mean time from checkout to release without the client's think time
//     B = s as it is without a queue: a 60 s EWMA of seconds that were saturated for less than 10
//     %;
//         in other seconds it may rise by 0.02 % at most, or the overload would become the measure
//         of itself
//     g = clamp(1.5 * B/s, 0.5, 1)
//     L = 0.8 L + 0.2 (L*g + max(2, sqrt(L)/2))
//
// (Gradient2 of Netflix' concurrency-limits with a baseline that is frozen under load.) 53300,
// 53200 and log-ins that time out lower L by a tenth, once per second at most. Waiters that give up
// never lower it: they are a reason to have more, and a ceiling that listens to them collapses.
//
//     target = clamp(ceil(1.1 * demand), min, L)
//
// Pure; no allocation. Owner: a pool, under its lock. Thread: the owner's.
#pragma once

#include <cstdint>

#include "conf/config.h"
#include "protocol/base/clock.h"
#include "protocol/base/random.h"
#include "proxy/pool/demand.h"

namespace weir {

struct SizingOptions {
    SizingMode mode = SizingMode::Demand;
    uint32_t min = 0;   // min_pool_size
    uint32_t max = 20;  // default_pool_size
    // Where L starts. 2 * cores + 1 of the server's is a good guess (HikariCP's and PostgreSQL's
    // wiki); 0 = max.
    uint32_t ceiling_start = 0;
    double headroom = 1.1;
    Duration interval = std::chrono::seconds(1);  // of the ceiling
    Duration baseline_tau = std::chrono::seconds(60);
    double baseline_rise_per_s = 0.0002;
    double saturated_max = 0.10;  // of an interval, for it to be learned from
    double gradient_tolerance = 1.5;
    double gradient_min = 0.5;
    double smoothing = 0.2;
    double signal_factor = 0.9;
};

// What has happened since the last sample.
struct SizingSample {
    uint32_t in_use = 0;         // now
    uint32_t waiting = 0;        // now
    uint32_t in_use_peak = 0;    // the most at once since the last sample; 0 = only now is known
    uint64_t released = 0;       // checkouts that ended
    Duration service_total{0};   // their time from checkout to release, without client think time
    double saturated_share = 0;  // of the time somebody waited, 0..1
    uint32_t capacity_signals = 0;  // is_capacity_signal() in health/outcome.h
};

class PoolSizing {
  public:
    explicit PoolSizing(const SizingOptions& options);
    // New options; L stays within the new bounds, what was learned is kept.
    void configure(const SizingOptions& options);

    // Demand between samples, so that no peak is missed.
    void observe(uint32_t in_use, uint32_t waiting, Instant now) {
        demand_.observe(in_use + waiting, now);
    }
    // Takes a sample and gives the target. To be called about once per second; samples that come
    // sooner are added up. The target is within [min, max], and not below 1 unless max is 0.
    uint32_t update(Instant now, const SizingSample& sample);

    // The target as of the last sample, but of the demand until now: after observe() a burst need
    // not wait for the next sample.
    [[nodiscard]] uint32_t target(Instant now);
    // The most that was wanted at once lately.
    [[nodiscard]] uint32_t demand(Instant now) { return demand_.peak(now); }
    [[nodiscard]] double ceiling() const { return ceiling_; }
    // B, in seconds; 0 before anything was learned.
    [[nodiscard]] double baseline_s() const { return baseline_s_; }

  private:
    void collect(const SizingSample& sample, Duration since_last);
    void adapt(Instant now);
    void learn(double service_s, double seconds);
    void clamp_ceiling();

    SizingOptions options_;
    DemandTracker demand_;
    double ceiling_ = 0;
    double baseline_s_ = 0;
    Instant sampled_at_;
    Instant adapted_at_;
    Instant lowered_at_;
    // Since adapted_at_:
    uint64_t released_ = 0;
    Duration service_total_{0};
    double saturated_us_ = 0;
    uint32_t in_use_peak_ = 0;
};

// How many idle connections to close in this tick: those beyond the target whose idle time is over,
// and at most a tenth of all at once, at least one. `idle_expired` counts idle ones past
// server_idle_timeout. They are to be taken from the cold end: reuse is last in, first out.
[[nodiscard]] uint32_t shrink_count(uint32_t total, uint32_t target, uint32_t idle_expired);

// server_lifetime, up to a fifth less, so that connections opened together do not all close
// together; never more than the operator allows. 0 stays 0: no limit.
[[nodiscard]] Duration jittered_lifetime(Duration lifetime, Prng& random);

}  // namespace weir
