#include "health/score.h"

#include <algorithm>
#include <cmath>

namespace weir {

double lag_score(const Lag& lag, const HealthOptions& options) {
    if (!lag.is_replica) return 1;
    if (!lag.delay) return options.lag_score_unknown;
    if (*lag.delay <= options.lag_soft) return 1;
    if (*lag.delay >= options.lag_hard) return 0;
    const auto left = static_cast<double>((options.lag_hard - *lag.delay).count());
    return left / static_cast<double>((options.lag_hard - options.lag_soft).count());
}

bool is_beyond_hard_lag(const Lag& lag, const HealthOptions& options) {
    if (!lag.is_replica) return false;
    if (lag.delay && *lag.delay > options.lag_hard) return true;
    return options.lag_hard_bytes > 0 && lag.bytes && *lag.bytes > options.lag_hard_bytes;
}

double log_latency(Duration latency, const HealthOptions& options) {
    const int64_t us = std::max({latency.count(), options.latency_floor.count(), int64_t{1}});
    return std::log(static_cast<double>(us));
}

void Score::on_result(bool is_failure, uint64_t count, Instant now, const HealthOptions& options) {
    errors_.add_many(is_failure ? 1.0 : 0.0, count, now, options.ewma_tau, options.ewma_weight_min);
}

void Score::on_probe(double latency_log, Instant now, const HealthOptions& options) {
    if (!probes_) {
        const double floor = log_latency(Duration(0), options);
        probes_.emplace(floor);
        latency_.reset(floor, now);
        baseline_.reset(latency_log, now);
    }
    latency_.add(probes_->add(latency_log), now, options.ewma_tau, options.ewma_weight_min);
    // The baseline follows the smoothed latency and by time alone: no sample has a least weight, or
    // a thousand of them would make any outage the new normal within seconds.
    baseline_.add(latency_.value(), now, options.latency_baseline_tau, 0);
}

void Score::on_statements(double mean_log, uint64_t count, Instant now,
                          const HealthOptions& options) {
    if (count == 0) return;
    statement_count_ = recent_statements(now, options) + static_cast<double>(count);
    counted_at_ = std::max(counted_at_, now);
    statements_.add_many(mean_log, count, now, options.ewma_tau, options.ewma_weight_min,
                         options.latency_tau_min);
}

double Score::recent_statements(Instant now, const HealthOptions& options) const {
    if (now <= counted_at_) return statement_count_;
    return statement_count_ * (1 - ewma_weight(now - counted_at_, options.ewma_tau));
}

std::optional<double> Score::statement_log(Instant now, const HealthOptions& options) const {
    if (recent_statements(now, options) < options.latency_samples_min) return std::nullopt;
    return statements_.value();
}

void Score::on_recovery(Instant now, const HealthOptions& options) {
    recovered_at_ = now;
    errors_.reset(0, now);
    // Statements that hung through the outage say nothing of what comes now.
    statements_ = Ewma();
    statement_count_ = 0;
    factors_.error = 1;
    factors_.latency = probe_factor_;
    factors_.warm = options.slow_start.count() > 0 ? options.slow_start_min : 1;
    raw_ = h_ = factors_.latency * factors_.lag;
    updated_at_ = now;
}

void Score::compute_factors(Instant now, const BestLatency& best, const HealthOptions& options) {
    const double good = 1.0 - errors_.value();
    factors_.error = std::max(options.error_score_min, good * good * good);

    const auto compare = [&](double own, double other, double tolerance) {
        const double rho = std::exp(own - std::min(own, other));
        return std::clamp(tolerance / rho, options.latency_score_min, 1.0);
    };
    probe_factor_ = 1;
    if (!latency_.is_empty() && best.probe) {
        probe_factor_ = compare(latency_.value(), *best.probe, tolerance(options));
    } else if (!latency_.is_empty()) {
        probe_factor_ =
            compare(latency_.value(), baseline_.value(), options.latency_tolerance_loaded);
    }
    const std::optional<double> statement = statement_log(now, options);
    factors_.latency = statement && best.statement
                           ? compare(*statement, *best.statement, tolerance(options))
                           : probe_factor_;
    factors_.lag = lag_score(lag_, options);

    factors_.warm = 1;
    if (!recovered_at_.is_never() && now - recovered_at_ < options.slow_start) {
        const auto passed = static_cast<double>((now - recovered_at_).count());
        factors_.warm = std::max(options.slow_start_min,
                                 passed / static_cast<double>(options.slow_start.count()));
    }
}

// Latencies of a saturated time count for a while after it, and so does that it was one.
double Score::tolerance(const HealthOptions& options) const {
    const bool is_saturated = saturation_.value() >= options.saturated_from;
    return is_saturated ? options.latency_tolerance_loaded : options.latency_tolerance;
}

void Score::update(Instant now, const BestLatency& best, const HealthOptions& options) {
    saturation_.add(best.is_saturated ? 1.0 : 0.0, now, options.ewma_tau, 0);
    compute_factors(now, best, options);
    raw_ = factors_.error * factors_.latency * factors_.lag;
    if (raw_ <= h_) {
        h_ = raw_;
    } else if (!updated_at_.is_never()) {
        h_ += ewma_weight(now - updated_at_, options.rise_tau) * (raw_ - h_);
    }
    updated_at_ = std::max(updated_at_, now);
}

std::optional<double> Score::latency_log() const {
    if (latency_.is_empty()) return std::nullopt;
    return latency_.value();
}

}  // namespace weir
