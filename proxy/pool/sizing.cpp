#include "proxy/pool/sizing.h"

#include <algorithm>
#include <cmath>

#include "health/ewma.h"

namespace weir {

namespace {

double as_seconds(Duration duration) {
    return static_cast<double>(duration.count()) / 1e6;
}

}  // namespace

PoolSizing::PoolSizing(const SizingOptions& options) : options_(options) {
    ceiling_ = options.ceiling_start > 0 ? options.ceiling_start : options.max;
    clamp_ceiling();
}

void PoolSizing::configure(const SizingOptions& options) {
    // A ceiling that nothing has lowered yet is the maximum, also the new one.
    if (ceiling_ >= options_.max) ceiling_ = options.max;
    options_ = options;
    clamp_ceiling();
}

void PoolSizing::clamp_ceiling() {
    const auto max = static_cast<double>(options_.max);
    const double min = std::min(std::max<double>(options_.min, 1), max);
    ceiling_ = options_.mode == SizingMode::Adaptive ? std::clamp(ceiling_, min, max) : max;
}

uint32_t PoolSizing::update(Instant now, const SizingSample& sample) {
    const Duration since_last =
        sampled_at_.is_never() ? options_.interval : std::max(now - sampled_at_, Duration(0));
    sampled_at_ = std::max(sampled_at_, now);
    demand_.observe(sample.in_use + sample.waiting, now);
    if (options_.mode == SizingMode::Adaptive) {
        collect(sample, since_last);
        const bool may_lower = lowered_at_.is_never() || now - lowered_at_ >= options_.interval;
        if (sample.capacity_signals > 0 && may_lower) {
            ceiling_ *= options_.signal_factor;
            lowered_at_ = now;
        }
        adapt(now);
    }
    clamp_ceiling();
    return target(now);
}

uint32_t PoolSizing::target(Instant now) {
    if (options_.mode == SizingMode::Fixed) return options_.max;
    const auto ceiling = static_cast<uint32_t>(std::lround(ceiling_));
    const double wanted = std::ceil(options_.headroom * demand_.peak(now));
    // One connection at least: who comes first should find room for one.
    const uint32_t least = std::min(std::max<uint32_t>(options_.min, 1), ceiling);
    return static_cast<uint32_t>(std::clamp<double>(wanted, least, ceiling));
}

void PoolSizing::collect(const SizingSample& sample, Duration since_last) {
    released_ += sample.released;
    service_total_ += sample.service_total;
    saturated_us_ +=
        std::clamp(sample.saturated_share, 0.0, 1.0) * static_cast<double>(since_last.count());
    in_use_peak_ = std::max({in_use_peak_, sample.in_use, sample.in_use_peak});
}

void PoolSizing::adapt(Instant now) {
    if (adapted_at_.is_never()) adapted_at_ = Instant{now.us - options_.interval.count()};
    const Duration passed = now - adapted_at_;
    if (passed < options_.interval || passed.count() <= 0) return;
    const double service_s =
        released_ > 0 ? as_seconds(service_total_) / static_cast<double>(released_) : 0;
    if (service_s > 0) {
        learn(service_s, as_seconds(passed));
        // Below half of it the ceiling is not what limits, and nothing can be learned about it.
        if (static_cast<double>(in_use_peak_) >= ceiling_ / 2) {
            const double gradient = std::clamp(
                options_.gradient_tolerance * baseline_s_ / service_s, options_.gradient_min, 1.0);
            const double probing = std::max(2.0, std::sqrt(ceiling_) / 2);
            ceiling_ = (1 - options_.smoothing) * ceiling_ +
                       options_.smoothing * (ceiling_ * gradient + probing);
        }
    }
    adapted_at_ = now;
    released_ = 0;
    service_total_ = Duration(0);
    saturated_us_ = 0;
    in_use_peak_ = 0;
}

void PoolSizing::learn(double service_s, double seconds) {
    if (baseline_s_ <= 0) {
        baseline_s_ = service_s;
        return;
    }
    const Duration passed(std::llround(seconds * 1e6));
    const double learned =
        baseline_s_ + ewma_weight(passed, options_.baseline_tau) * (service_s - baseline_s_);
    const bool is_saturated = saturated_us_ >= options_.saturated_max * seconds * 1e6;
    // After a long silence too, one interval's rise is all that one measurement may cause.
    const double steps = std::min(seconds, 60.0);
    const double highest = baseline_s_ * (1 + options_.baseline_rise_per_s * steps);
    baseline_s_ = is_saturated ? std::min(learned, highest) : learned;
}

uint32_t shrink_count(uint32_t total, uint32_t target, uint32_t idle_expired) {
    if (total <= target) return 0;
    return std::min({total - target, idle_expired, std::max<uint32_t>(total / 10, 1)});
}

Duration jittered_lifetime(Duration lifetime, Prng& random) {
    if (lifetime.count() <= 0) return lifetime;
    const auto spread = static_cast<uint64_t>(lifetime.count() / 5);
    return lifetime - Duration(static_cast<int64_t>(random.below(spread + 1)));
}

}  // namespace weir
