// CircuitBreaker: whether one operation (connect, auth of one credential, query) on one endpoint is
// worth trying at all.
//
//              trip                      back-off over
//    CLOSED ----------> OPEN ------------------------------> HALF_OPEN
//      ^                 ^                                     |   |
//      |                 +---------- any failure --------------+   |
//      +---------------- a probe, then 3 trials succeeded ---------+
//
//   | state     | asks for work                     | left by                              |
//   | CLOSED    | all                               | the triggers of ejection             |
//   | OPEN      | none                              | back-off: 1 s, doubling up to 30 s   |
//   | HALF_OPEN | none until a probe has succeeded, | 3 successes, or one failure          |
//   |           | then one at a time                |                                      |
//
// An operator may force it open or closed; RESET ends that and forgets all failures. A dry run
// judges as always, but lets everything pass and counts what it would have refused. Work that is on
// a server already is never cut: the breaker is asked before, not during.
// Pure; allocates at transitions only. Owner: the health registry, one per (endpoint, operation),
// those of auth per credential and client address besides. Thread: the owner's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "health/failure_window.h"
#include "health/outcome.h"
#include "health/trial_token.h"
#include "protocol/base/clock.h"
#include "protocol/base/random.h"

namespace weir {

enum class BreakerOperation : uint8_t { Connect, Auth, Query };
enum class BreakerState : uint8_t { Closed, Open, HalfOpen };
enum class BreakerForce : uint8_t { None, Open, Closed };

[[nodiscard]] std::string_view to_text(BreakerOperation operation);
[[nodiscard]] std::string_view to_text(BreakerState state);

struct BreakerOptions {
    uint32_t consecutive = 5;       // local-origin failures in a row; 0 = never
    uint32_t failure_percent = 50;  // of the last 10 s; 0 = never
    uint32_t samples_min = 20;
    Duration backoff = std::chrono::seconds(1);
    Duration backoff_max = std::chrono::seconds(30);
    uint32_t jitter_percent = 20;                 // added
    Duration forgive = std::chrono::seconds(10);  // closed for so long: one doubling is forgiven
    uint32_t successes = 3;                       // trials that close it
    Duration trial_timeout = std::chrono::seconds(15);
    bool needs_probe = true;  // false where no probe can tell, as for a client's password
    bool is_dry_run = false;
};

struct BreakerTransition {
    BreakerState from = BreakerState::Closed;
    BreakerState to = BreakerState::Closed;
    Instant at;
    std::string reason;
};

class CircuitBreaker {
  public:
    // `random` is borrowed and outlives this.
    CircuitBreaker(const BreakerOptions& options, Prng& random)
        : options_(options), random_(random) {}
    void configure(const BreakerOptions& options) { options_ = options; }

    enum class Permit : uint8_t {
        Pass,   // go on, report with on_outcome
        Trial,  // go on, report with on_trial
        Refuse
    };
    // May one operation start now? To be asked once for each.
    [[nodiscard]] Permit ask(Instant now);

    // What came of an operation; Evidence::None is not counted. An auth breaker reports a bad
    // password as `LocalFailure`: here the credential is what is judged.
    std::optional<BreakerTransition> on_result(Evidence evidence, Instant now,
                                               std::string_view what);
    std::optional<BreakerTransition> on_outcome(Outcome outcome, Instant now);
    std::optional<BreakerTransition> on_trial(Evidence evidence, Instant now,
                                              std::string_view what);
    // A probe of this operation, outside of any traffic. Counts while HALF_OPEN only.
    std::optional<BreakerTransition> on_probe(bool is_good, Instant now, std::string_view what);
    // OPEN becomes HALF_OPEN when its time has come.
    std::optional<BreakerTransition> tick(Instant now);

    // BREAKER OPEN, CLOSE, RESET.
    std::optional<BreakerTransition> force(BreakerForce force, Instant now);
    std::optional<BreakerTransition> reset(Instant now);

    [[nodiscard]] BreakerState state() const;  // what is in force
    [[nodiscard]] BreakerForce forced() const { return force_; }
    [[nodiscard]] bool wants_probe() const;
    // How long until an OPEN breaker lets a probe through; zero in the other states. Empty when it
    // is forced open: only the operator knows.
    [[nodiscard]] std::optional<Duration> next_probe_in(Instant now) const;
    [[nodiscard]] uint64_t refused() const { return refused_; }  // a dry run: none
    [[nodiscard]] uint64_t refused_in_dry_run() const { return dry_refused_; }
    [[nodiscard]] uint64_t opened() const { return opened_; }
    [[nodiscard]] uint32_t level() const { return level_; }  // doublings, from 1

  private:
    std::optional<BreakerTransition> move_to(BreakerState to, Instant now, std::string reason);
    std::optional<BreakerTransition> open(Instant now, std::string reason);
    [[nodiscard]] bool is_tripped(Instant now);
    void forgive(Instant now);
    Permit refuse();

    BreakerOptions options_;
    Prng& random_;
    FailureWindow window_;
    TrialToken trial_;
    BreakerState state_ = BreakerState::Closed;
    BreakerForce force_ = BreakerForce::None;
    bool is_probed_ = false;  // HALF_OPEN: the probe has succeeded
    uint32_t successes_ = 0;
    uint32_t level_ = 0;
    Instant open_until_;
    Instant closed_since_;
    uint64_t refused_ = 0;
    uint64_t dry_refused_ = 0;
    uint64_t opened_ = 0;
};

}  // namespace weir
