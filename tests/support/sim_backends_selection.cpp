#include "tests/support/sim_backends_selection.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <queue>
#include <vector>

#include "health/ejection_guard.h"
#include "health/endpoint_health.h"
#include "health/peak_ewma.h"
#include "health/selection.h"
#include "tests/support/sim_backends_random.h"

namespace weir::sim {

namespace {

constexpr size_t kBackends = 3;
constexpr uint32_t kServers = 8;
constexpr double kServiceS = 0.0015;
constexpr double kHeavyFactor = 60;
constexpr double kBlackHoleS = 0.0003;
constexpr double kTickS = 0.1;
constexpr double kProbeS = 2;

struct Request {
    double arrived_s = 0;
    bool is_heavy = false;
    bool is_trial = false;
};

struct Completion {
    double at_s = 0;
    double service_s = 0;
    size_t backend = 0;
    Request request;
    bool is_failure = false;
    friend bool operator>(const Completion& a, const Completion& b) { return a.at_s > b.at_s; }
};

struct BackendModel {
    uint32_t in_use = 0;
    std::deque<Request> queue;
    PeakEwma peak;
    std::unique_ptr<EndpointHealth> health;
};

SelectionOptions options_of(Chooser chooser) {
    SelectionOptions options;
    if (chooser == Chooser::RoundRobin) options.method = LoadBalance::WeightedRoundRobin;
    if (chooser == Chooser::PeakEwma) options.method = LoadBalance::PeakEwma;
    if (chooser == Chooser::ProposedTwoChoices) options.full_scan_max = 0;
    return options;
}

double percentile_ms(std::vector<double>& times_s, double share) {
    if (times_s.empty()) return 0;
    const auto rank = static_cast<std::ptrdiff_t>(static_cast<double>(times_s.size() - 1) * share);
    std::nth_element(times_s.begin(), times_s.begin() + rank, times_s.end());
    return times_s[static_cast<size_t>(rank)] * 1000;
}

class SelectionRun {
  public:
    SelectionRun(const SelectionScenario& scenario, Chooser chooser, uint64_t seed)
        : scenario_(scenario),
          is_judged_(chooser == Chooser::Proposed || chooser == Chooser::ProposedTwoChoices),
          random_(seed),
          selector_(options_of(chooser), kBackends) {
        for (BackendModel& backend : backends_)
            backend.health = std::make_unique<EndpointHealth>(options_, random_, now());
        const double mean_service = kServiceS * (1 + scenario.heavy_share * (kHeavyFactor - 1));
        mean_gap_s_ = mean_service / (kBackends * kServers * scenario.utilisation);
    }

    SelectionResult run() {
        double next_arrival = exponential(mean_gap_s_, random_);
        double next_tick = kTickS;
        double next_probe = kProbeS;
        while (next_arrival < scenario_.ends_s || !completions_.empty()) {
            const double next_end =
                completions_.empty() ? scenario_.ends_s * 1e3 : completions_.top().at_s;
            time_s_ = std::min({next_arrival, next_end, next_tick});
            if (time_s_ == next_tick) {
                next_tick += kTickS;
                tick(next_probe);
            } else if (time_s_ == next_end) {
                const Completion completion = completions_.top();
                completions_.pop();
                complete(completion);
            } else {
                arrive();
                next_arrival += exponential(mean_gap_s_, random_);
                if (next_arrival >= scenario_.ends_s) next_arrival = scenario_.ends_s * 1e6;
            }
        }
        return result();
    }

  private:
    [[nodiscard]] Instant now() const { return {1'000'000 + static_cast<int64_t>(time_s_ * 1e6)}; }
    [[nodiscard]] bool is_faulty(size_t backend) const {
        return backend == 0 && time_s_ >= scenario_.fault_begins_s &&
               time_s_ < scenario_.fault_ends_s;
    }

    RoleView view_of(size_t index) {
        RoleView role;
        HealthState states[kBackends];
        for (size_t i = 0; i < kBackends; ++i) {
            states[i] = backends_[i].health->state();
            const auto log = backends_[i].health->score().statement_log(now(), options_);
            if (!log || !is_eligible(states[i])) continue;
            auto& best = role.best_latency.statement;
            best = std::min(best.value_or(*log), *log);
        }
        role.may_eject = may_eject(states[index], count_role(states), options_);
        return role;
    }

    void tick(double& next_probe) {
        if (!is_judged_) return;
        const bool is_probe = time_s_ >= next_probe;
        if (is_probe) next_probe += kProbeS;
        for (size_t i = 0; i < kBackends; ++i) {
            if (is_probe) {
                // Probes are answered even by the black hole: only traffic can tell.
                ProbeResult probe;
                probe.outcome = Outcome::Success;
                const double slowdown = is_faulty(i) ? scenario_.fault_slowdown : 1;
                probe.round_trip = Duration(static_cast<int64_t>(1000 * slowdown));
                backends_[i].health->on_probe(probe, now(), view_of(i));
            }
            backends_[i].health->tick(now(), view_of(i));
        }
    }

    size_t choose(Request& request) {
        Candidate candidates[kBackends];
        for (size_t i = 0; i < kBackends; ++i) {
            BackendModel& backend = backends_[i];
            candidates[i].in_use = backend.in_use;
            candidates[i].waiting = static_cast<uint32_t>(backend.queue.size());
            candidates[i].peak_ewma_us = backend.peak.us();
            if (!is_judged_) continue;
            if (backend.health->try_take_trial(now())) {
                request.is_trial = true;
                return i;
            }
            candidates[i].health = backend.health->score().h();
            candidates[i].warm = backend.health->score().factors().warm;
            candidates[i].is_eligible = is_eligible(backend.health->state());
        }
        return selector_.select(candidates, random_).value();
    }

    void arrive() {
        Request request{time_s_, unit(random_) < scenario_.heavy_share, false};
        const size_t index = choose(request);
        ++requests_;
        if (time_s_ >= scenario_.fault_ends_s - 3 && time_s_ < scenario_.fault_ends_s) {
            ++late_requests_;
            late_faulty_ += index == 0 ? 1 : 0;
        }
        if (backends_[index].in_use < kServers) {
            ++backends_[index].in_use;
            start(index, request);
        } else {
            backends_[index].queue.push_back(request);
        }
    }

    void start(size_t index, const Request& request) {
        Completion completion;
        completion.backend = index;
        completion.request = request;
        double mean = request.is_heavy ? kServiceS * kHeavyFactor : kServiceS;
        if (is_faulty(index)) mean *= scenario_.fault_slowdown;
        completion.service_s = exponential(mean, random_);
        if (is_faulty(index) && scenario_.is_black_hole) {
            completion.service_s = kBlackHoleS;
            completion.is_failure = true;
        }
        completion.at_s = time_s_ + completion.service_s;
        completions_.push(completion);
    }

    void complete(const Completion& completion) {
        BackendModel& backend = backends_[completion.backend];
        judge(backend, completion);
        errors_ += completion.is_failure ? 1 : 0;
        const Request& request = completion.request;
        const bool is_during = request.arrived_s >= scenario_.fault_begins_s &&
                               request.arrived_s < scenario_.fault_ends_s;
        if (is_during && !completion.is_failure) {
            const double taken_s = time_s_ - request.arrived_s;
            times_s_.push_back(taken_s);
            if (!request.is_heavy) short_times_s_.push_back(taken_s);
        }
        if (backend.queue.empty()) {
            --backend.in_use;
            return;
        }
        const Request next = backend.queue.front();
        backend.queue.pop_front();
        start(completion.backend, next);
    }

    void judge(BackendModel& backend, const Completion& completion) {
        const Duration taken(static_cast<int64_t>(completion.service_s * 1e6));
        backend.peak.add(taken, now());
        if (!is_judged_) return;
        EndpointHealth& health = *backend.health;
        const Outcome outcome = completion.is_failure ? Outcome::ConnectionLost : Outcome::Success;
        if (completion.request.is_trial) {
            health.on_trial(outcome, now(), view_of(completion.backend));
        } else if (completion.is_failure) {
            health.on_outcome(outcome, now(), view_of(completion.backend));
        } else {
            health.on_successes(1, now());
        }
        if (!completion.is_failure) health.on_latency(taken, now());
    }

    SelectionResult result() {
        SelectionResult result;
        result.p99_ms = percentile_ms(times_s_, 0.99);
        result.short_p99_ms = percentile_ms(short_times_s_, 0.99);
        result.requests = requests_;
        result.error_percent = 100 * static_cast<double>(errors_) /
                               static_cast<double>(std::max<uint64_t>(requests_, 1));
        result.faulty_share = static_cast<double>(late_faulty_) /
                              static_cast<double>(std::max<uint64_t>(late_requests_, 1));
        for (const BackendModel& backend : backends_)
            result.ejections += backend.health->ejections();
        return result;
    }

    SelectionScenario scenario_;
    bool is_judged_ = false;
    Prng random_;
    HealthOptions options_;
    Selector selector_;
    BackendModel backends_[kBackends];
    std::priority_queue<Completion, std::vector<Completion>, std::greater<>> completions_;
    double mean_gap_s_ = 0;
    double time_s_ = 0;
    uint64_t requests_ = 0;
    uint64_t errors_ = 0;
    uint64_t late_requests_ = 0;
    uint64_t late_faulty_ = 0;
    std::vector<double> times_s_;
    std::vector<double> short_times_s_;
};

}  // namespace

std::string_view to_text(Chooser chooser) {
    switch (chooser) {
        case Chooser::RoundRobin: return "round robin";
        case Chooser::LeastOutstanding: return "least outstanding";
        case Chooser::PeakEwma: return "peak EWMA";
        case Chooser::Proposed: return "proposed";
        case Chooser::ProposedTwoChoices: return "proposed, two choices";
    }
    return "unknown";
}

SelectionResult run_selection(const SelectionScenario& scenario, Chooser chooser, uint64_t seed) {
    return SelectionRun(scenario, chooser, seed).run();
}

}  // namespace weir::sim
