#include "health/endpoint_health.h"

#include <algorithm>
#include <utility>

#include "health/jitter.h"
#include "protocol/base/check.h"

namespace weir {

namespace {

// Which transitions there are, as bits of the states one may go to.
constexpr unsigned bit(HealthState state) {
    return 1U << static_cast<unsigned>(state);
}

constexpr unsigned allowed_from(HealthState state) {
    using enum HealthState;
    constexpr unsigned kOperator = bit(Draining) | bit(Down);
    switch (state) {
        case Up: return bit(Degraded) | bit(Lagging) | bit(Ejected) | kOperator;
        case Degraded: return bit(Up) | bit(Lagging) | bit(Ejected) | kOperator;
        case Lagging: return bit(Up) | bit(Degraded) | bit(Ejected) | kOperator;
        case Ejected: return bit(HalfOpen) | kOperator;
        case HalfOpen: return bit(Up) | bit(Ejected) | kOperator;
        case Draining: return bit(Up) | bit(Down);
        case Down: return bit(Up) | bit(Draining);
    }
    return 0;
}

// Forgives former ejections. DEGRADED does not: that is not the health it was ejected for.
constexpr bool is_healthy(HealthState state) {
    return state == HealthState::Up || state == HealthState::Lagging;
}

constexpr bool is_operators(HealthState state) {
    return state == HealthState::Draining || state == HealthState::Down;
}

}  // namespace

EndpointHealth::EndpointHealth(const HealthOptions& options, Prng& random, Instant now)
    : options_(options), random_(random), healthy_since_(now) {
    history_[0] = {HealthState::Up, HealthState::Up, now, "start"};
    history_size_ = 1;
}

std::optional<Transition> EndpointHealth::on_probe(const ProbeResult& probe, Instant now,
                                                   const RoleView& role) {
    record(probe.outcome, now);
    if (probe.outcome == Outcome::Success) {
        failed_probes_ = 0;
        score_.on_probe(log_latency(probe.round_trip, options_), now, options_);
        score_.on_lag(lag_of(probe));
        update_lag_gate(score_.lag());
        // A good probe shortens no ejection that traffic caused: a server may answer probes and
        // fail queries (Envoy's documentation warns of just that).
        if (state_ == HealthState::Ejected && ejected_by_ == Source::Probe) {
            return transition(HealthState::HalfOpen, now, "probe succeeded");
        }
        if (state_ == HealthState::HalfOpen && ejected_by_ == Source::Probe) {
            return succeed_half_open(now);
        }
        return judge(now, role, Trigger::None, Source::Probe);
    }
    // 53300 or a refused password is no evidence about the server, whoever receives it.
    const bool is_evidence = evidence_of(probe.outcome) != Evidence::None;
    if (is_evidence) ++failed_probes_;
    if (is_evidence && state_ == HealthState::HalfOpen) {
        return fail_half_open(probe.outcome, now, Source::Probe);
    }
    const bool is_final = ejects_at_once(probe.outcome);
    return judge(now, role, is_final ? Trigger::AtOnce : Trigger::None, Source::Probe);
}

std::optional<Transition> EndpointHealth::on_outcome(Outcome outcome, Instant now,
                                                     const RoleView& role) {
    const Evidence evidence = evidence_of(outcome);
    if (evidence == Evidence::None) return std::nullopt;
    record(outcome, now);
    // The score rises with the next tick; only falling is urgent.
    if (evidence == Evidence::Success) return std::nullopt;
    const bool is_final = ejects_at_once(outcome);
    if (is_final && state_ == HealthState::HalfOpen) {
        return fail_half_open(outcome, now, Source::Traffic);
    }
    return judge(now, role, is_final ? Trigger::AtOnce : Trigger::None, Source::Traffic);
}

void EndpointHealth::on_successes(uint64_t count, Instant now) {
    window_.add(Evidence::Success, now, count);
    score_.on_result(false, count, now, options_);
}

void EndpointHealth::on_latency(Duration latency, Instant now) {
    score_.on_statements(log_latency(latency, options_), 1, now, options_);
}

void EndpointHealth::on_latencies(double mean_log, uint64_t count, Instant now) {
    score_.on_statements(mean_log, count, now, options_);
}

std::optional<Transition> EndpointHealth::tick(Instant now, const RoleView& role) {
    return judge(now, role, Trigger::None, Source::Traffic);
}

bool EndpointHealth::try_take_trial(Instant now) {
    return state_ == HealthState::HalfOpen && trial_.try_take(now, options_.trial_timeout);
}

std::optional<Transition> EndpointHealth::on_trial(Outcome outcome, Instant now,
                                                   const RoleView& role) {
    trial_.give_back();
    if (state_ != HealthState::HalfOpen) return on_outcome(outcome, now, role);
    const Evidence evidence = evidence_of(outcome);
    if (evidence == Evidence::None) return std::nullopt;
    record(outcome, now);
    if (evidence == Evidence::Success) return succeed_half_open(now);
    return fail_half_open(outcome, now, Source::Traffic);
}

std::optional<Transition> EndpointHealth::set_draining(Instant now, const std::string& why) {
    if (state_ == HealthState::Draining) return std::nullopt;
    return transition(HealthState::Draining, now, why);
}

std::optional<Transition> EndpointHealth::set_down(Instant now, const std::string& why) {
    if (state_ == HealthState::Down) return std::nullopt;
    return transition(HealthState::Down, now, why);
}

std::optional<Transition> EndpointHealth::enable(Instant now, const std::string& why) {
    if (!is_operators(state_)) return std::nullopt;
    return transition(HealthState::Up, now, why);
}

std::optional<Transition> EndpointHealth::pardon(Instant now, const std::string& why) {
    window_.clear();
    failed_probes_ = 0;
    level_ = 0;
    if (state_ != HealthState::Ejected) return std::nullopt;
    return transition(HealthState::HalfOpen, now, why);
}

double EndpointHealth::weight() const {
    return is_eligible(state_) ? score_.h() * score_.factors().warm : 0.0;
}

double EndpointHealth::panic_weight() const {
    const bool has_work = is_eligible(state_) || is_out_by_verdict(state_);
    return has_work ? score_.h() * score_.factors().warm : 0.0;
}

Duration EndpointHealth::next_probe_pause() {
    const bool is_fast = state_ != HealthState::Up;
    return jittered_around(is_fast ? options_.probe_interval_fast : options_.probe_interval,
                           options_.probe_jitter_percent, random_);
}

const Transition& EndpointHealth::history(size_t age) const {
    WEIR_CHECK(age < history_size_);
    return history_[(newest_ + kHistory - age) % kHistory];
}

// What all events end with: the score as of now, then at most one transition.
std::optional<Transition> EndpointHealth::judge(Instant now, const RoleView& role, Trigger at_once,
                                                Source source) {
    score_.update(now, role.best_latency, options_);
    forgive(now);
    if (is_operators(state_) || state_ == HealthState::HalfOpen) return std::nullopt;
    if (state_ == HealthState::Ejected) {
        if (now < ejected_until_) return std::nullopt;
        return transition(HealthState::HalfOpen, now, "ejection time is over");
    }
    const Trigger trigger = at_once != Trigger::None ? at_once : pending_trigger(now);
    if (trigger == Trigger::None) {
        is_withheld_ = false;
        return settle(now);
    }
    if (role.may_eject) {
        // A row of failures or a percentage has seen traffic, whoever added the last failure.
        const bool by_probe =
            trigger == Trigger::Probes || (trigger == Trigger::AtOnce && source == Source::Probe);
        return eject(now, by_probe ? Source::Probe : Source::Traffic, describe(trigger, now));
    }
    if (!is_withheld_) ++ejections_withheld_;
    is_withheld_ = true;
    return settle(now);
}

// UP, DEGRADED or LAGGING, whichever h and the lag say.
std::optional<Transition> EndpointHealth::settle(Instant now) {
    if (lag_gate_.is_closed) {
        if (state_ == HealthState::Lagging) return std::nullopt;
        return transition(HealthState::Lagging, now, "replication lag above the limit");
    }
    const bool is_degraded = state_ == HealthState::Degraded;
    const double limit = is_degraded ? options_.up_from : options_.degraded_below;
    const HealthState to = score_.h() < limit ? HealthState::Degraded : HealthState::Up;
    if (to == state_) return std::nullopt;
    if (to == HealthState::Degraded) return transition(to, now, "health score is low");
    const bool was_lagging = state_ == HealthState::Lagging;
    return transition(to, now, was_lagging ? "replica has caught up" : "health score is back");
}

std::optional<Transition> EndpointHealth::succeed_half_open(Instant now) {
    if (++trial_successes_ < options_.half_open_successes) return std::nullopt;
    return transition(HealthState::Up, now, std::to_string(trial_successes_) + " trials succeeded");
}

std::optional<Transition> EndpointHealth::fail_half_open(Outcome outcome, Instant now,
                                                         Source source) {
    // No limit is asked: it was out already.
    return eject(now, source, "trial failed: " + std::string(to_text(outcome)));
}

Transition EndpointHealth::eject(Instant now, Source source, std::string reason) {
    level_ = std::min(level_ + 1, level_max());
    ++ejections_;
    ejected_by_ = source;
    is_withheld_ = false;
    const Duration time =
        std::min(options_.ejection_time * static_cast<int64_t>(level_), options_.ejection_time_max);
    ejected_until_ = now + jittered_up(time, options_.ejection_jitter_percent, random_);
    return transition(HealthState::Ejected, now, std::move(reason));
}

Transition EndpointHealth::transition(HealthState to, Instant now, std::string reason) {
    WEIR_CHECK((allowed_from(state_) & bit(to)) != 0);
    const HealthState from = state_;
    state_ = to;
    trial_.give_back();
    trial_successes_ = 0;
    if (is_healthy(to) && !is_healthy(from)) healthy_since_ = now;
    if (to == HealthState::Up && (from == HealthState::HalfOpen || is_operators(from))) {
        // What was held against it has been atoned for; else it would be ejected again at once.
        window_.clear();
        failed_probes_ = 0;
        score_.on_recovery(now, options_);
    }
    newest_ = (newest_ + 1) % kHistory;
    history_size_ = std::min(history_size_ + 1, kHistory);
    history_[newest_] = {from, to, now, std::move(reason)};
    return history_[newest_];
}

void EndpointHealth::record(Outcome outcome, Instant now) {
    const Evidence evidence = evidence_of(outcome);
    if (evidence == Evidence::None) return;
    window_.add(evidence, now);
    score_.on_result(evidence != Evidence::Success, 1, now, options_);
    if (evidence != Evidence::Success) last_failure_ = outcome;
}

void EndpointHealth::forgive(Instant now) {
    if (!is_healthy(state_) || options_.ejection_forgive.count() <= 0) return;
    const int64_t periods = (now - healthy_since_) / options_.ejection_forgive;
    if (periods <= 0) return;
    level_ -= static_cast<uint32_t>(std::min<int64_t>(periods, level_));
    healthy_since_ = healthy_since_ + options_.ejection_forgive * periods;
}

void EndpointHealth::update_lag_gate(const Lag& lag) {
    if (!lag.is_replica) {
        lag_gate_ = LagGate();
        return;
    }
    if (is_beyond_hard_lag(lag, options_)) {
        lag_gate_ = {true, 0};
        return;
    }
    if (!lag_gate_.is_closed) return;
    const bool is_good = lag.delay && *lag.delay <= options_.lag_soft;
    lag_gate_.good_probes = is_good ? lag_gate_.good_probes + 1 : 0;
    if (lag_gate_.good_probes >= options_.lag_good_probes) lag_gate_ = LagGate();
}

EndpointHealth::Trigger EndpointHealth::pending_trigger(Instant now) {
    if (options_.ejection_probes > 0 && failed_probes_ >= options_.ejection_probes) {
        return Trigger::Probes;
    }
    if (options_.ejection_consecutive > 0 &&
        window_.consecutive_failures() >= options_.ejection_consecutive) {
        return Trigger::Consecutive;
    }
    if (window_.is_failing(now, options_.ejection_failure_percent, options_.ejection_samples_min)) {
        return Trigger::Percentage;
    }
    return Trigger::None;
}

std::string EndpointHealth::describe(Trigger trigger, Instant now) {
    const std::string last(to_text(last_failure_));
    switch (trigger) {
        case Trigger::Consecutive:
            return std::to_string(window_.consecutive_failures()) +
                   " consecutive failures: " + last;
        case Trigger::Percentage: {
            const FailureWindow::Totals totals = window_.totals(now);
            return std::to_string(totals.failures) + " of " + std::to_string(totals.samples()) +
                   " failed within 10 s: " + last;
        }
        case Trigger::Probes: return std::to_string(failed_probes_) + " failed probes: " + last;
        case Trigger::AtOnce:
        case Trigger::None: break;
    }
    return last;
}

// The level beyond which the ejection time no longer grows, so that it is also forgiven in bounded
// time (Envoy stops its multiplier there too).
uint32_t EndpointHealth::level_max() const {
    const int64_t base = std::max<int64_t>(options_.ejection_time.count(), 1);
    const int64_t longest = std::max(options_.ejection_time_max.count(), base);
    return static_cast<uint32_t>(std::min<int64_t>((longest + base - 1) / base, 1000));
}

}  // namespace weir
