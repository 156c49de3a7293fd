// EndpointHealth: the verdict about one endpoint (host:port), shared by all pools that use it.
//
//              h < 0.5                  trigger, may_eject
//       UP ---------------> DEGRADED -----------------------+
//       | ^ <--------------    |                            v
//       | |    h >= 0.7        |       trigger            EJECTED <---------+
//       | |                    |   +---------------------->  |              | a failure,
//       | | 2 good probes      |   |                         | time is over | k + 1
//       | +-------------- LAGGING  |                         v              |
//       +---------------->   ^-----+        UP <--------- HALF_OPEN --------+
//         beyond lag_hard                    3 successes
//
//       any --operator--> DRAINING, DOWN --enable--> UP
//
//   | state     | new work        | left by                                               |
//   | UP        | yes             | h, lag, trigger                                       |
//   | DEGRADED  | yes, less       | h, lag, trigger                                       |
//   | LAGGING   | no reads        | lag, trigger                                          |
//   | EJECTED   | no (panic: yes) | time; a good probe, if only probes had failed         |
//   | HALF_OPEN | one trial       | 3 successes, or one failure                           |
//   | DRAINING  | no              | operator                                              |
//   | DOWN      | no              | operator                                              |
//
// Triggers of ejection, any of: 5 consecutive local-origin failures (Envoy, Finagle); half of at
// least 20 outcomes within 10 s failed (linkerd); 3 probes in a row failed; 57P01 or 57P03 at
// log-in, at once. The time is 5 s times the number of recent ejections (Envoy's shape). The limits
// (ejection_guard.h) are the caller's to know: RoleView::may_eject. A trigger that they hold back
// acts when they no longer do.
//
// Each call makes at most one transition and returns it, for log, metric and alert. Time never runs
// backwards here: an earlier `now` counts as no time passed.
// Pure; allocates at transitions only. Owner: the health registry. Thread: one at a time, the
// owner's; what workers read (state, weight) is published by the owner.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "health/failure_window.h"
#include "health/health_options.h"
#include "health/health_state.h"
#include "health/probe_result.h"
#include "health/score.h"
#include "health/trial_token.h"
#include "protocol/base/random.h"

namespace weir {

// What the other endpoints of the role mean to this one.
struct RoleView {
    BestLatency best_latency;  // see Score::update
    bool may_eject = true;     // see may_eject() in ejection_guard.h
};

class EndpointHealth {
  public:
    static constexpr size_t kHistory = 8;

    // Starts UP with full weight: nothing speaks against it. `random` is borrowed and outlives
    // this.
    EndpointHealth(const HealthOptions& options, Prng& random, Instant now);

    // New thresholds from the next call on; a running ejection keeps its end.
    void configure(const HealthOptions& options) { options_ = options; }

    // A probe came back, or failed.
    std::optional<Transition> on_probe(const ProbeResult& probe, Instant now, const RoleView& role);
    // Traffic saw this. No evidence (Evidence::None): nothing happens.
    std::optional<Transition> on_outcome(Outcome outcome, Instant now, const RoleView& role);
    // Many successes at once, counted elsewhere; h rises with the next tick.
    void on_successes(uint64_t count, Instant now);
    // Server time of a statement whose client did not stall; counts with the next tick.
    void on_latency(Duration latency, Instant now);
    // Many at once; `mean_log` is the mean of log_latency() over them.
    void on_latencies(double mean_log, uint64_t count, Instant now);
    // Lets time pass; to be called at least once a second.
    std::optional<Transition> tick(Instant now, const RoleView& role);

    // HALF_OPEN: true = the caller's next transaction is the trial, to be reported to on_trial. To
    // be asked before any selection: its score is still so low that no selection would choose it,
    // and without a trial it would never come back.
    [[nodiscard]] bool try_take_trial(Instant now);
    // How the trial ended; no evidence gives the token back without a verdict.
    std::optional<Transition> on_trial(Outcome outcome, Instant now, const RoleView& role);

    // Operator's commands; nothing when it is so already. enable() undoes the others, also an
    // ejection that they interrupted.
    std::optional<Transition> set_draining(Instant now, const std::string& why);
    std::optional<Transition> set_down(Instant now, const std::string& why);
    std::optional<Transition> enable(Instant now, const std::string& why);
    // Failures and former ejections are forgotten; whoever is out gets its trials now.
    std::optional<Transition> pardon(Instant now, const std::string& why);

    [[nodiscard]] HealthState state() const { return state_; }
    [[nodiscard]] const std::string& reason() const { return history(0).reason; }
    [[nodiscard]] Instant since() const { return history(0).at; }
    // 0..1, to be multiplied with the configured weight; 0 in states without new work.
    [[nodiscard]] double weight() const;
    // The same when failures are ignored (panic).
    [[nodiscard]] double panic_weight() const;
    [[nodiscard]] const Score& score() const { return score_; }
    [[nodiscard]] Instant ejected_until() const { return ejected_until_; }
    [[nodiscard]] uint32_t ejection_level() const { return level_; }  // k
    [[nodiscard]] uint64_t ejections() const { return ejections_; }
    [[nodiscard]] uint64_t ejections_withheld() const { return ejections_withheld_; }
    // How long to wait until the next probe, with jitter; short while not UP.
    [[nodiscard]] Duration next_probe_pause();

    // Transition `age` ago, 0 = the last one; age < history_size().
    [[nodiscard]] size_t history_size() const { return history_size_; }
    [[nodiscard]] const Transition& history(size_t age) const;

  private:
    enum class Trigger : uint8_t { None, Consecutive, Percentage, Probes, AtOnce };
    enum class Source : uint8_t { Traffic, Probe };
    struct LagGate {
        bool is_closed = false;
        uint32_t good_probes = 0;
    };

    std::optional<Transition> judge(Instant now, const RoleView& role, Trigger at_once,
                                    Source source);
    std::optional<Transition> settle(Instant now);
    std::optional<Transition> fail_half_open(Outcome outcome, Instant now, Source source);
    std::optional<Transition> succeed_half_open(Instant now);
    Transition eject(Instant now, Source source, std::string reason);
    Transition transition(HealthState to, Instant now, std::string reason);
    void record(Outcome outcome, Instant now);
    void forgive(Instant now);
    void update_lag_gate(const Lag& lag);
    [[nodiscard]] Trigger pending_trigger(Instant now);
    [[nodiscard]] std::string describe(Trigger trigger, Instant now);
    [[nodiscard]] uint32_t level_max() const;

    HealthOptions options_;
    Prng& random_;
    Score score_;
    FailureWindow window_;
    LagGate lag_gate_;
    TrialToken trial_;
    HealthState state_ = HealthState::Up;
    Source ejected_by_ = Source::Traffic;
    bool is_withheld_ = false;  // the trigger that holds now was already counted as withheld
    Outcome last_failure_ = Outcome::ProbeFailure;
    uint32_t failed_probes_ = 0;
    uint32_t trial_successes_ = 0;
    uint32_t level_ = 0;
    uint64_t ejections_ = 0;
    uint64_t ejections_withheld_ = 0;
    Instant ejected_until_;
    Instant healthy_since_;
    std::array<Transition, kHistory> history_;
    size_t history_size_ = 0;
    size_t newest_ = 0;
};

}  // namespace weir
