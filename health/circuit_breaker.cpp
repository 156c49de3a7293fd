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
        case Open: return bit(HalfOpen) | bit(Closed);  // closed by a reset only
        case HalfOpen: return bit(Open) | bit(Closed);
    }
    return 0;
}

}  // namespace

std::optional<BreakerTransition> CircuitBreaker::on_successes(uint64_t count, Instant now) {
    if (count == 0) return std::nullopt;
    if (state() == BreakerState::Closed) window_.add(Evidence::Success, now, count);
    if (state() != BreakerState::HalfOpen) return std::nullopt;
    successes_ += count;
    if (successes_ < options_.half_open_successes) return std::nullopt;
    return move_to(BreakerState::Closed, now, std::to_string(successes_) + " log-ins succeeded");
}

std::optional<BreakerTransition> CircuitBreaker::on_failure(Outcome outcome, Instant now) {
    const Evidence evidence = evidence_of(outcome);
    if (evidence == Evidence::None || evidence == Evidence::Success) return std::nullopt;
    const std::string what(to_text(outcome));
    switch (state()) {
        case BreakerState::Open: return std::nullopt;  // begun before: it tells nothing new
        case BreakerState::HalfOpen: return open(now, "failed again: " + what);
        case BreakerState::Closed: break;
    }
    forgive(now);
    window_.add(evidence, now);
    if (ejects_at_once(outcome)) return open(now, what);
    if (!is_tripped(now)) return std::nullopt;
    return open(now, "too many failures: " + what);
}

std::optional<BreakerTransition> CircuitBreaker::tick(Instant now) {
    if (state() == BreakerState::Closed) forgive(now);
    if (state() != BreakerState::Open || now < open_until_) return std::nullopt;
    return move_to(BreakerState::HalfOpen, now, "back-off is over");
}

std::optional<BreakerTransition> CircuitBreaker::reset(Instant now, std::string reason) {
    window_.clear();
    level_ = 0;
    if (state() == BreakerState::Closed) return std::nullopt;
    return move_to(BreakerState::Closed, now, std::move(reason));
}

BreakerTransition CircuitBreaker::open(Instant now, std::string reason) {
    const int64_t first = std::max<int64_t>(options_.breaker_backoff.count(), 1);
    const int64_t longest = std::max(options_.breaker_backoff_max.count(), first);
    const uint32_t doublings = std::min<uint32_t>(level_, 30);
    // Compared by division: the product could be too large.
    const bool is_longest = first > (longest >> doublings);
    const Duration pause(is_longest ? longest : first << doublings);
    if (!is_longest) ++level_;  // beyond the longest it would only be forgiven later
    open_until_ = now + jittered_up(pause, options_.ejection_jitter_percent, random_);
    ++opened_;
    return move_to(BreakerState::Open, now, std::move(reason));
}

BreakerTransition CircuitBreaker::move_to(BreakerState to, Instant now, std::string reason) {
    WEIR_CHECK((allowed_from(state()) & bit(to)) != 0);
    last_ = {state(), to, now, std::move(reason)};
    successes_ = 0;
    if (to == BreakerState::Closed) {
        window_.clear();
        closed_since_ = now;
    }
    return last_;
}

bool CircuitBreaker::is_tripped(Instant now) {
    if (options_.ejection_consecutive > 0 &&
        window_.consecutive_failures() >= options_.ejection_consecutive) {
        return true;
    }
    return window_.is_failing(now, options_.ejection_failure_percent,
                              options_.ejection_samples_min);
}

void CircuitBreaker::forgive(Instant now) {
    if (level_ == 0 || options_.ejection_forgive.count() <= 0) return;
    const int64_t periods = (now - closed_since_) / options_.ejection_forgive;
    if (periods <= 0) return;
    level_ -= static_cast<uint32_t>(std::min<int64_t>(periods, level_));
    closed_since_ = closed_since_ + options_.ejection_forgive * periods;
}

}  // namespace weir
