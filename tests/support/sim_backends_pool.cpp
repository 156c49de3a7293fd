#include "tests/support/sim_backends_pool.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "tests/support/sim_backends_random.h"

namespace weir::sim {

namespace {

// Fitted to 2068, 2228, 1495 and 890 transactions per second at 20, 32, 100 and 200 at once.
constexpr double kAlone = 196.7;
constexpr double kContention = 0.0285;
constexpr double kCoherence = (1 - kContention) / (32.0 * 32.0);
constexpr double kPeak = 2228;
constexpr double kPatienceS = 5;
constexpr double kHeavyFactor = 50;
constexpr double kWarmUpS = 10;

struct Running {
    double started_s = 0;
    double left = 0;  // work left, in units of a light transaction's mean
};

class PoolRun {
  public:
    PoolRun(const PoolScenario& scenario, uint64_t seed)
        : scenario_(scenario), random_(seed), sizing_(scenario.sizing) {
        size_ = scenario.is_aimd ? scenario.sizing.max : sizing_.update(now(), {});
        const double mean_work = 1 + scenario.heavy_share * (kHeavyFactor - 1);
        mean_work_ = mean_work;
    }

    std::vector<PoolPhaseResult> run() {
        std::vector<PoolPhaseResult> results;
        double begins_s = 0;
        for (const PoolPhase& phase : scenario_.phases) {
            results.push_back(run_phase(begins_s, phase));
            begins_s += phase.seconds;
        }
        return results;
    }

  private:
    [[nodiscard]] Instant now() const { return {1'000'000 + static_cast<int64_t>(time_s_ * 1e6)}; }

    PoolPhaseResult run_phase(double begins_s, const PoolPhase& phase) {
        PoolPhaseResult result;
        result.size_least = result.size_most = size_;
        const double ends_s = begins_s + phase.seconds;
        const double mean_gap_s = mean_work_ / (kPeak * phase.load);
        double next_arrival = time_s_ + exponential(mean_gap_s, random_);
        uint64_t completed = 0;
        gave_up_ = 0;
        while (time_s_ < ends_s) {
            const double next_end = time_of_next_end();
            const double next = std::min({next_arrival, next_end, next_sample_s_, ends_s});
            advance(next);
            if (next == next_end) {
                complete();
                if (time_s_ >= begins_s + kWarmUpS) ++completed;
            } else if (next == next_arrival) {
                waiters_.push_back(time_s_);
                next_arrival += exponential(mean_gap_s, random_);
            } else if (next == next_sample_s_) {
                sample();
                result.size_least = std::min(result.size_least, size_);
                result.size_most = std::max(result.size_most, size_);
            }
            admit();
            sizing_.observe(in_use(), waiting(), now());
        }
        result.goodput = static_cast<double>(completed) / (phase.seconds - kWarmUpS);
        result.size_last = size_;
        result.gave_up = gave_up_;
        return result;
    }

    [[nodiscard]] uint32_t in_use() const { return static_cast<uint32_t>(running_.size()); }
    [[nodiscard]] uint32_t waiting() const { return static_cast<uint32_t>(waiters_.size()); }

    // All that run share the throughput evenly: work done per second by each.
    [[nodiscard]] double speed() const {
        const auto n = static_cast<double>(running_.size());
        return n > 0 ? usl_throughput(n) / n : 0;
    }
    [[nodiscard]] double time_of_next_end() {
        if (running_.empty()) return 1e18;
        const auto first =
            std::min_element(running_.begin(), running_.end(),
                             [](const Running& a, const Running& b) { return a.left < b.left; });
        ending_ = static_cast<size_t>(first - running_.begin());
        return time_s_ + std::max(first->left - done_, 0.0) / speed();
    }
    void advance(double to_s) {
        // `left` counts from the start of time, so that nobody's has to be touched.
        done_ += (to_s - time_s_) * speed();
        if (!waiters_.empty()) saturated_s_ += to_s - time_s_;
        time_s_ = to_s;
    }
    void complete() {
        service_s_ += time_s_ - running_[ending_].started_s;
        ++released_;
        running_[ending_] = running_.back();
        running_.pop_back();
    }
    void admit() {
        while (!waiters_.empty() && time_s_ - waiters_.front() > kPatienceS) {
            waiters_.pop_front();
            ++gave_up_;
            ++gave_up_since_sample_;
        }
        while (!waiters_.empty() && running_.size() < size_) {
            waiters_.pop_front();
            const double factor = unit(random_) < scenario_.heavy_share ? kHeavyFactor : 1;
            running_.push_back({time_s_, done_ + exponential(factor, random_)});
            in_use_peak_ = std::max(in_use_peak_, in_use());
        }
    }
    void sample() {
        SizingSample sample;
        sample.in_use = in_use();
        sample.waiting = waiting();
        sample.in_use_peak = in_use_peak_;
        sample.released = released_;
        sample.service_total = Duration(std::llround(service_s_ * 1e6));
        sample.saturated_share = saturated_s_;
        const uint32_t proposed = sizing_.update(now(), sample);
        size_ = scenario_.is_aimd ? aimd() : proposed;
        next_sample_s_ += 1;
        released_ = 0;
        service_s_ = 0;
        saturated_s_ = 0;
        in_use_peak_ = 0;
        gave_up_since_sample_ = 0;
    }
    [[nodiscard]] uint32_t aimd() const {
        const uint32_t wanted = gave_up_since_sample_ > 0 ? size_ / 2 : size_ + 1;
        return std::clamp(wanted, std::max<uint32_t>(scenario_.sizing.min, 1),
                          scenario_.sizing.max);
    }

    PoolScenario scenario_;
    Prng random_;
    PoolSizing sizing_;
    uint32_t size_ = 0;
    double mean_work_ = 1;
    double time_s_ = 0;
    double done_ = 0;
    double next_sample_s_ = 1;
    std::deque<double> waiters_;
    std::vector<Running> running_;
    size_t ending_ = 0;
    uint64_t released_ = 0;
    double service_s_ = 0;
    double saturated_s_ = 0;
    uint32_t in_use_peak_ = 0;
    uint64_t gave_up_ = 0;
    uint64_t gave_up_since_sample_ = 0;
};

}  // namespace

double usl_throughput(double n) {
    return kAlone * n / (1 + kContention * (n - 1) + kCoherence * n * (n - 1));
}

std::vector<PoolPhaseResult> run_pool_ceiling(const PoolScenario& scenario, uint64_t seed) {
    return PoolRun(scenario, seed).run();
}

}  // namespace weir::sim
