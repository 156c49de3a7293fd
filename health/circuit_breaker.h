// CircuitBreaker: whether an endpoint is worth asking for new connections. Those it has go on
// working: a server that takes no more log-ins, or that is behind a broken TLS set-up, may well
// answer whoever is in.
//
//              trip                   back-off over
//    CLOSED ----------> OPEN ---------------------------> HALF_OPEN
//      ^                 ^                                  |   |
//      |                 +---------- any failure -----------+   |
//      +------------------------- 3 log-ins --------------------+
//
//   | state     | new connections                    | left by                            |
//   | CLOSED    | yes                                | the triggers of ejection           |
//   | OPEN      | none                               | back-off: 1 s, doubling up to 30 s |
//   | HALF_OPEN | those with which each pool's login | 3 successes, or one failure        |
//   |           | ramp begins anew                   |                                    |
//
// It judges log-ins alone: successes of queries neither excuse failures to connect nor are they
// hidden by them. What a verdict is worth, with the others of the role in view, is its owner's to
// decide (HealthCluster).
// Pure; allocates at transitions only. Owner: HealthMember, one per endpoint. Thread: the owner's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "health/breaker_state.h"
#include "health/failure_window.h"
#include "health/health_options.h"
#include "health/outcome.h"
#include "protocol/base/clock.h"
#include "protocol/base/random.h"

namespace weir {

struct BreakerTransition {
    BreakerState from = BreakerState::Closed;
    BreakerState to = BreakerState::Closed;
    Instant at;
    std::string reason;
};

class CircuitBreaker {
  public:
    // `random` is borrowed and outlives this.
    CircuitBreaker(const HealthOptions& options, Prng& random)
        : options_(options), random_(random) {}
    void configure(const HealthOptions& options) { options_ = options; }

    // So many log-ins ended well.
    std::optional<BreakerTransition> on_successes(uint64_t count, Instant now);
    // One ended otherwise; what is no evidence is not counted.
    std::optional<BreakerTransition> on_failure(Outcome outcome, Instant now);
    // OPEN becomes HALF_OPEN when its time has come.
    std::optional<BreakerTransition> tick(Instant now);
    // CLOSED, and all failures are forgotten.
    std::optional<BreakerTransition> reset(Instant now, std::string reason);

    [[nodiscard]] BreakerState state() const { return last_.to; }
    // The last one; `at` is never before the first.
    [[nodiscard]] const BreakerTransition& last() const { return last_; }
    [[nodiscard]] Instant open_until() const { return open_until_; }  // holds while OPEN
    [[nodiscard]] uint64_t opened() const { return opened_; }
    [[nodiscard]] uint32_t level() const { return level_; }  // doublings, from 1

  private:
    BreakerTransition move_to(BreakerState to, Instant now, std::string reason);
    BreakerTransition open(Instant now, std::string reason);
    [[nodiscard]] bool is_tripped(Instant now);
    void forgive(Instant now);

    HealthOptions options_;
    Prng& random_;
    FailureWindow window_;
    BreakerTransition last_;
    uint64_t successes_ = 0;  // while HALF_OPEN
    uint32_t level_ = 0;
    Instant open_until_;
    Instant closed_since_;
    uint64_t opened_ = 0;
};

}  // namespace weir
