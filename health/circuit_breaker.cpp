#include "health/circuit_breaker.h"

#include <algorithm>
#include <utility>

#include "health/jitter.h"
#include "protocol/base/check.h"

namespace weir {

namespace {

constexpr unsigned bit(BreakerState state) {
    return 1U << static_cast<unsigned>(state);
}

constexpr unsigned allowed_from(BreakerState state) {
    using enum BreakerState;
    switch (state) {
        case Closed: return bit(Open);
        case Open: return bit(HalfOpen) | bit(Closed);  // closed by RESET only
        case HalfOpen: return bit(Open) | bit(Closed);
    }
    return 0;
}

std::string quoted(std::string_view before, std::string_view what) {
    return std::string(before) + std::string(what);
}

}  // namespace

std::string_view to_text(BreakerOperation operation) {
    switch (operation) {
        case BreakerOperation::Connect: return "connect";
        case BreakerOperation::Auth: return "auth";
        case BreakerOperation::Query: return "query";
    }
    return "unknown";
}

std::string_view to_text(BreakerState state) {
    switch (state) {
        case BreakerState::Closed: return "CLOSED";
        case BreakerState::Open: return "OPEN";
        case BreakerState::HalfOpen: return "HALF_OPEN";
    }
    return "UNKNOWN";
}

CircuitBreaker::Permit CircuitBreaker::refuse() {
    // An operator's order holds in a dry run too: it is no judgement on trial.
    if (options_.is_dry_run && force_ != BreakerForce::Open) {
        ++dry_refused_;
        return Permit::Pass;
    }
    ++refused_;
    return Permit::Refuse;
}

CircuitBreaker::Permit CircuitBreaker::ask(Instant now) {
    if (force_ == BreakerForce::Closed) return Permit::Pass;
    if (force_ == BreakerForce::Open) return refuse();
    if (state_ == BreakerState::Closed) return Permit::Pass;
    if (state_ == BreakerState::Open || !is_probed_) return refuse();
    if (trial_.try_take(now, options_.trial_timeout)) return Permit::Trial;
    return refuse();
}

std::optional<BreakerTransition> CircuitBreaker::on_outcome(Outcome outcome, Instant now) {
    auto moved = on_result(evidence_of(outcome), now, to_text(outcome));
    if (moved || !ejects_at_once(outcome) || state_ != BreakerState::Closed) return moved;
    if (force_ != BreakerForce::None) return std::nullopt;
    return open(now, std::string(to_text(outcome)));
}

std::optional<BreakerTransition> CircuitBreaker::on_result(Evidence evidence, Instant now,
                                                           std::string_view what) {
    window_.add(evidence, now);
    // What was let in before it opened tells nothing new.
    if (force_ != BreakerForce::None || state_ != BreakerState::Closed) return std::nullopt;
    forgive(now);
    if (evidence == Evidence::None || evidence == Evidence::Success || !is_tripped(now)) {
        return std::nullopt;
    }
    return open(now, quoted("too many failures: ", what));
}

std::optional<BreakerTransition> CircuitBreaker::on_trial(Evidence evidence, Instant now,
                                                          std::string_view what) {
    trial_.give_back();
    if (state_ != BreakerState::HalfOpen || force_ != BreakerForce::None) {
        return on_result(evidence, now, what);
    }
    if (evidence == Evidence::None) return std::nullopt;
    if (evidence != Evidence::Success) return open(now, quoted("trial failed: ", what));
    if (++successes_ < options_.successes) return std::nullopt;
    return move_to(BreakerState::Closed, now, std::to_string(successes_) + " trials succeeded");
}

std::optional<BreakerTransition> CircuitBreaker::on_probe(bool is_good, Instant now,
                                                          std::string_view what) {
    if (state_ != BreakerState::HalfOpen || force_ != BreakerForce::None) return std::nullopt;
    if (!is_good) return open(now, quoted("probe failed: ", what));
    is_probed_ = true;
    return std::nullopt;
}

std::optional<BreakerTransition> CircuitBreaker::tick(Instant now) {
    if (force_ != BreakerForce::None) return std::nullopt;
    if (state_ == BreakerState::Closed) forgive(now);
    if (state_ != BreakerState::Open || now < open_until_) return std::nullopt;
    return move_to(BreakerState::HalfOpen, now, "back-off is over");
}

std::optional<BreakerTransition> CircuitBreaker::force(BreakerForce force, Instant now) {
    const BreakerState before = state();
    force_ = force;
    if (state() == before) return std::nullopt;
    const char* reason =
        force == BreakerForce::None ? "no longer forced" : "forced by the operator";
    return BreakerTransition{before, state(), now, reason};
}

std::optional<BreakerTransition> CircuitBreaker::reset(Instant now) {
    const BreakerState before = state();
    force_ = BreakerForce::None;
    if (state_ != BreakerState::Closed) move_to(BreakerState::Closed, now, "reset");
    window_.clear();
    level_ = 0;
    if (before == BreakerState::Closed) return std::nullopt;
    return BreakerTransition{before, BreakerState::Closed, now, "reset by the operator"};
}

BreakerState CircuitBreaker::state() const {
    if (force_ == BreakerForce::Open) return BreakerState::Open;
    if (force_ == BreakerForce::Closed) return BreakerState::Closed;
    return state_;
}

bool CircuitBreaker::wants_probe() const {
    return force_ == BreakerForce::None && state_ == BreakerState::HalfOpen && !is_probed_;
}

std::optional<Duration> CircuitBreaker::next_probe_in(Instant now) const {
    if (force_ == BreakerForce::Open) return std::nullopt;
    if (state() != BreakerState::Open) return Duration(0);
    return std::max(open_until_ - now, Duration(0));
}

std::optional<BreakerTransition> CircuitBreaker::open(Instant now, std::string reason) {
    const int64_t first = std::max<int64_t>(options_.backoff.count(), 1);
    const int64_t longest = std::max(options_.backoff_max.count(), first);
    const uint32_t doublings = std::min<uint32_t>(level_, 30);
    // Compared by division: the product could be too large.
    const bool is_longest = first > (longest >> doublings);
    const Duration pause(is_longest ? longest : first << doublings);
    if (!is_longest) ++level_;  // beyond the longest it would only be forgiven later
    open_until_ = now + jittered_up(pause, options_.jitter_percent, random_);
    ++opened_;
    return move_to(BreakerState::Open, now, std::move(reason));
}

std::optional<BreakerTransition> CircuitBreaker::move_to(BreakerState to, Instant now,
                                                         std::string reason) {
    WEIR_CHECK((allowed_from(state_) & bit(to)) != 0);
    BreakerTransition moved{state_, to, now, std::move(reason)};
    state_ = to;
    trial_.give_back();
    successes_ = 0;
    is_probed_ = !options_.needs_probe;
    if (to == BreakerState::Closed) {
        window_.clear();
        closed_since_ = now;
    }
    return moved;
}

bool CircuitBreaker::is_tripped(Instant now) {
    if (options_.consecutive > 0 && window_.consecutive_failures() >= options_.consecutive) {
        return true;
    }
    return window_.is_failing(now, options_.failure_percent, options_.samples_min);
}

void CircuitBreaker::forgive(Instant now) {
    if (level_ == 0 || options_.forgive.count() <= 0) return;
    const int64_t periods = (now - closed_since_) / options_.forgive;
    if (periods <= 0) return;
    level_ -= static_cast<uint32_t>(std::min<int64_t>(periods, level_));
    closed_since_ = closed_since_ + options_.forgive * periods;
}

}  // namespace weir
