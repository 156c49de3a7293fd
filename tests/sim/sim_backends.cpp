// Goal: the statements that selection, health and pool sizing were chosen by hold for the code as
// it is, and no controller breaks its bounds in a million steps. Method: queueing models with the
// real code inside (tests/support/sim_backends_*), fixed seeds, generous bounds on ratios and
// orders rather than on digits. The tables are printed.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "health/circuit_breaker.h"
#include "health/ejection_guard.h"
#include "health/endpoint_health.h"
#include "health/selection.h"
#include "proxy/limits/gcra.h"
#include "proxy/pool/fair_share.h"
#include "proxy/pool/login_ramp.h"
#include "proxy/pool/sizing.h"
#include "tests/support/sim_backends_pool.h"
#include "tests/support/sim_backends_selection.h"

namespace weir::sim {
namespace {

using std::chrono::seconds;

constexpr Instant kStart{1'000'000'000};
constexpr int kSteps = 1'000'000;

// The seeds of the million steps: the one asked for, or three.
std::vector<uint64_t> seeds() {
    if (const char* seed = std::getenv("WEIR_SIM_SEED")) return {std::strtoull(seed, nullptr, 10)};
    return {1, 2, 3};
}

struct SelectionRow {
    SelectionResult round_robin, least, peak, proposed, two_choices;
};

SelectionRow selection_row(const char* name, const SelectionScenario& scenario) {
    constexpr uint64_t kSeed = 7;
    const SelectionRow row = {run_selection(scenario, Chooser::RoundRobin, kSeed),
                              run_selection(scenario, Chooser::LeastOutstanding, kSeed),
                              run_selection(scenario, Chooser::PeakEwma, kSeed),
                              run_selection(scenario, Chooser::Proposed, kSeed),
                              run_selection(scenario, Chooser::ProposedTwoChoices, kSeed)};
    const SelectionResult* const all[] = {&row.round_robin, &row.least, &row.peak, &row.proposed,
                                          &row.two_choices};
    std::printf("%-34s p99 ms", name);
    for (const SelectionResult* result : all)
        std::printf(" %9.1f", result->p99_ms);
    std::printf("\n%-34s short ", "");
    for (const SelectionResult* result : all)
        std::printf(" %9.1f", result->short_p99_ms);
    std::printf("\n%-34s error%%", "");
    for (const SelectionResult* result : all)
        std::printf(" %9.3f", result->error_percent);
    std::printf("\n%-34s share ", "");
    for (const SelectionResult* result : all)
        std::printf(" %9.3f", result->faulty_share);
    std::printf("\n");
    return row;
}

TEST_CASE("selection keeps the tail short and the errors few, whatever one backend does") {
    std::printf("%-34s        %9s %9s %9s %9s %9s\n", "selection, 3 backends", "rr", "least",
                "peak", "proposed", "2 choices");
    SUBCASE("all alike at 85 %") {
        const SelectionRow row = selection_row("homogeneous, 85 %", {.utilisation = 0.85});
        CHECK(row.proposed.p99_ms < row.round_robin.p99_ms);
        CHECK(row.proposed.p99_ms < row.least.p99_ms * 1.05);
        CHECK(row.two_choices.p99_ms < row.proposed.p99_ms * 1.25);
        CHECK(row.proposed.ejections == 0);
        CHECK(row.proposed.faulty_share == doctest::Approx(1.0 / 3).epsilon(0.1));
    }
    SUBCASE("one three times slower") {
        const SelectionRow row = selection_row("one 3x slower, equal weights",
                                               {.utilisation = 0.6, .fault_slowdown = 3});
        CHECK(row.round_robin.p99_ms > 1000);
        CHECK(row.least.p99_ms < 50);
        CHECK(row.proposed.p99_ms < row.least.p99_ms);
        CHECK(row.proposed.faulty_share < 0.15);
        CHECK(row.proposed.ejections == 0);  // slow is no failure
    }
    SUBCASE("one twenty times slower") {
        const SelectionRow row =
            selection_row("one 20x slower for 8 s", {.utilisation = 0.5, .fault_slowdown = 20});
        CHECK(row.round_robin.p99_ms > 1000);
        CHECK(row.proposed.p99_ms < row.least.p99_ms / 2);
        CHECK(row.proposed.p99_ms < 20);
        CHECK(row.proposed.faulty_share < 0.02);
    }
    SUBCASE("the same with heavy requests") {
        const SelectionRow row =
            selection_row("20x slower, 2 % heavy",
                          {.utilisation = 0.5, .fault_slowdown = 20, .heavy_share = 0.02});
        CHECK(row.round_robin.p99_ms > 1000);
        CHECK(row.proposed.p99_ms < row.least.p99_ms);
        CHECK(row.proposed.p99_ms < row.peak.p99_ms * 2);
    }
    SUBCASE("one that fails everything at once") {
        const SelectionRow row =
            selection_row("black hole, 0.3 ms", {.utilisation = 0.5, .is_black_hole = true});
        CHECK(row.round_robin.error_percent > 5);
        CHECK(row.least.error_percent > row.round_robin.error_percent);
        CHECK(row.peak.error_percent > row.round_robin.error_percent);
        CHECK(row.proposed.error_percent < 0.1);
        CHECK(row.two_choices.error_percent < 0.1);
        CHECK(row.proposed.ejections >= 1);
    }
}

SizingOptions fixed(uint32_t size) {
    SizingOptions options;
    options.mode = SizingMode::Fixed;
    options.max = size;
    return options;
}
SizingOptions adaptive() {
    SizingOptions options;
    options.mode = SizingMode::Adaptive;
    options.min = 4;
    options.max = 200;
    options.ceiling_start = 17;  // a guess at 8 cores
    return options;
}

std::vector<PoolPhaseResult> pool_row(const char* name, const PoolScenario& scenario) {
    const auto results = run_pool_ceiling(scenario, 7);
    std::printf("%-34s", name);
    for (const PoolPhaseResult& result : results)
        std::printf(" %6.0f/s [%3u..%3u]", result.goodput, result.size_least, result.size_most);
    std::printf("\n");
    return results;
}

TEST_CASE("an adaptive ceiling keeps nearly all of the peak through an overload, and recovers") {
    CHECK(usl_throughput(32) == doctest::Approx(2228).epsilon(0.002));
    CHECK(usl_throughput(31) < usl_throughput(32));
    CHECK(usl_throughput(33) < usl_throughput(32));
    std::printf("pool ceiling: goodput [size] at 0.5x, 1.3x, 0.5x of 2228/s\n");
    const auto fixed20 = pool_row("fixed 20", {.sizing = fixed(20)});
    const auto fixed32 = pool_row("fixed 32", {.sizing = fixed(32)});
    const auto fixed100 = pool_row("fixed 100", {.sizing = fixed(100)});
    const auto fixed200 = pool_row("fixed 200", {.sizing = fixed(200)});
    PoolScenario aimd{.sizing = fixed(200), .is_aimd = true};
    aimd.sizing.min = 4;
    const auto collapsed = pool_row("AIMD on time-outs", aimd);
    const auto proposed = pool_row("adaptive", {.sizing = adaptive()});

    const double peak = fixed32[1].goodput;
    CHECK(peak > 2150);
    CHECK(fixed20[1].goodput > 0.90 * peak);
    CHECK(fixed100[1].goodput < 0.75 * peak);
    CHECK(fixed200[1].goodput < 0.50 * peak);
    CHECK(fixed32[2].goodput > 1080);
    CHECK(fixed200[2].goodput < 0.85 * fixed32[2].goodput);  // it never recovers
    CHECK(fixed200[2].gave_up > 1000);
    CHECK(collapsed[1].goodput < 0.60 * peak);
    CHECK(proposed[1].goodput >= 0.95 * peak);
    CHECK(proposed[2].goodput >= 0.98 * fixed32[2].goodput);
    // Those whom the overload left in the queue give up at first, nobody later.
    CHECK(proposed[2].gave_up < fixed200[2].gave_up / 2);
    CHECK(proposed[1].size_most < 64);
}

TEST_CASE("the baseline does not drift away in an overload of twenty minutes") {
    const auto results = pool_row(
        "adaptive, 20 min", {.sizing = adaptive(), .phases = {{60, 0.5}, {1200, 1.3}, {60, 0.5}}});
    CHECK(results[1].goodput >= 0.95 * 2228);
    CHECK(results[1].size_last < 64);
    CHECK(results[2].goodput > 1080);
}

TEST_CASE("heavy transactions among light ones do not fool the ceiling") {
    PoolScenario best{.sizing = fixed(32), .heavy_share = 0.01};
    PoolScenario scenario{.sizing = adaptive(), .heavy_share = 0.01};
    const auto ideal = pool_row("fixed 32, 1 % heavy", best);
    const auto results = pool_row("adaptive, 1 % heavy", scenario);
    CHECK(results[1].goodput >= 0.90 * ideal[1].goodput);
    CHECK(results[2].goodput >= 0.95 * ideal[2].goodput);
}

// A role of endpoints with random outcomes.
class RoleSteps {
  public:
    explicit RoleSteps(uint64_t seed) : random_(seed) {
        const size_t count = 1 + random_.below(6);
        for (size_t i = 0; i < count; ++i)
            endpoints_.push_back(std::make_unique<EndpointHealth>(options_, random_, now_));
    }
    void step() {
        now_.us += static_cast<int64_t>(random_.below(random_.chance(1) ? 20'000'000 : 50'000));
        const size_t index = random_.below(endpoints_.size());
        EndpointHealth& health = *endpoints_[index];
        const RoleView role = view_of(health);
        // Each has its good and its bad times.
        const bool is_bad = (static_cast<uint64_t>(now_.us) / 7'000'000 + index) % 3 == 0;
        const Outcome outcome = random_.chance(is_bad ? 70 : 1)
                                    ? static_cast<Outcome>(1 + random_.below(19))
                                    : Outcome::Success;
        std::optional<Transition> moved;
        if (health.try_take_trial(now_)) {
            moved = health.on_trial(outcome, now_, role);
        } else if (random_.chance(10)) {
            moved = health.tick(now_, role);
        } else if (random_.chance(10)) {
            ProbeResult probe;
            probe.outcome = outcome;
            probe.round_trip = Duration(static_cast<int64_t>(random_.below(100'000)));
            moved = health.on_probe(probe, now_, role);
        } else {
            health.on_latency(Duration(static_cast<int64_t>(random_.below(100'000))), now_);
            moved = health.on_outcome(outcome, now_, role);
        }
        if (moved && moved->to == HealthState::Ejected) {
            ++ejections;
            if (counts().eligible == 0) problem = "the last of a role was ejected";
            const bool was_in = is_eligible(moved->from);
            const RoleCounts after = counts();
            if (was_in && after.out_by_verdict > 1 && after.out_by_verdict * 2 > after.configured) {
                problem = "more than half of a role was ejected";
            }
        }
        const double weight = health.weight();
        if (!(weight >= 0 && weight <= 1)) problem = "a weight out of bounds";
        if (!(health.score().h() >= 0 && health.score().h() <= 1)) problem = "h out of bounds";
    }
    [[nodiscard]] RoleCounts counts() const {
        std::vector<HealthState> states;
        for (const auto& endpoint : endpoints_)
            states.push_back(endpoint->state());
        return count_role(states);
    }

    const char* problem = nullptr;
    uint64_t ejections = 0;

  private:
    RoleView view_of(const EndpointHealth& health) const {
        RoleView role;
        for (const auto& endpoint : endpoints_) {
            const auto log = endpoint->score().statement_log(now_, options_);
            if (!log || !is_eligible(endpoint->state())) continue;
            auto& best = role.best_latency.statement;
            best = std::min(best.value_or(*log), *log);
        }
        role.may_eject = may_eject(health.state(), counts(), options_);
        return role;
    }

    Prng random_;
    HealthOptions options_;
    Instant now_ = kStart;
    std::vector<std::unique_ptr<EndpointHealth>> endpoints_;
};

TEST_CASE("a million events never eject the last of a role nor leave a bound") {
    for (const uint64_t seed : seeds()) {
        uint64_t ejections = 0;
        for (uint64_t role = 0; role < 20; ++role) {
            RoleSteps steps(seed * 1000 + role);
            for (int i = 0; i < kSteps / 20 && steps.problem == nullptr; ++i)
                steps.step();
            if (steps.problem != nullptr) FAIL("seed " << seed << ": " << steps.problem);
            ejections += steps.ejections;
        }
        CHECK(ejections > 100);
    }
}

TEST_CASE("a million samples keep the pool's target within its bounds") {
    for (const uint64_t seed : seeds()) {
        Prng random(seed);
        for (int round = 0; round < 100; ++round) {
            SizingOptions options;
            options.mode = static_cast<SizingMode>(random.below(3));
            options.min = static_cast<uint32_t>(random.below(10));
            options.max = options.min + static_cast<uint32_t>(random.below(300));
            PoolSizing sizing(options);
            LoginRamp ramp;
            Instant now = kStart;
            for (int i = 0; i < kSteps / 100; ++i) {
                now.us += static_cast<int64_t>(random.below(1'500'000));
                SizingSample sample;
                sample.in_use = static_cast<uint32_t>(random.below(options.max + 1));
                sample.waiting = static_cast<uint32_t>(random.below(random.chance(50) ? 1 : 999));
                sample.released = random.below(5000);
                sample.service_total = Duration(static_cast<int64_t>(random.below(1ULL << 33)));
                sample.saturated_share = static_cast<double>(random.below(11)) / 10;
                sample.capacity_signals = random.chance(2) ? 1 : 0;
                const uint32_t target = sizing.update(now, sample);
                if (target < options.min || target > options.max) FAIL("seed " << seed);
                if (!std::isfinite(sizing.ceiling())) FAIL("seed " << seed);
                if (random.chance(50)) ramp.on_success();
                if (random.chance(20)) ramp.on_failure(now, random);
                if (ramp.may_begin(now, 8) || ramp.burst() < 1) FAIL("seed " << seed);
            }
        }
    }
}

TEST_CASE("a million requests never get more than the rate and the burst") {
    for (const uint64_t seed : seeds()) {
        Prng random(seed);
        for (int round = 0; round < 100; ++round) {
            const uint64_t events = 1 + random.below(1ULL << random.below(24));
            const Duration per = seconds(1 + random.below(1000));
            const uint64_t burst = 1 + random.below(1000);
            const GcraLimit limit = GcraLimit::of(events, per, burst);
            GcraCell cell;
            Instant now = kStart;
            uint64_t allowed = 0;
            const uint64_t step_us = 1 + static_cast<uint64_t>(per.count()) / events;
            for (int i = 0; i < kSteps / 100; ++i) {
                now.us += static_cast<int64_t>(random.below(2 * step_us));
                allowed += cell.decide(now, limit).is_allowed ? 1 : 0;
                const double due = static_cast<double>(events) *
                                       static_cast<double>((now - kStart).count()) /
                                       static_cast<double>(per.count()) +
                                   static_cast<double>(burst);
                if (static_cast<double>(allowed) > due + 1e-6 * due) {
                    FAIL("seed " << seed << " round " << round);
                }
            }
        }
    }
}

TEST_CASE("a million log-ins never open a breaker of a good server nor keep one shut for ever") {
    for (const uint64_t seed : seeds()) {
        Prng random(seed);
        CircuitBreaker breaker({}, random);
        Instant now = kStart;
        uint64_t tried = 0;
        for (int i = 0; i < kSteps; ++i) {
            now.us += static_cast<int64_t>(random.below(random.chance(1) ? 10'000'000 : 20'000));
            const bool is_bad = (now.us / 60'000'000) % 2 == 0;
            breaker.tick(now);
            if (breaker.state() == BreakerState::Open) {
                if (breaker.open_until() - now > seconds(36)) FAIL("seed " << seed << ": pause");
                continue;
            }
            ++tried;
            if (random.chance(is_bad ? 80 : 1)) {
                const auto moved = breaker.on_failure(Outcome::ConnectRefused, now);
                const bool is_new = moved && moved->from == BreakerState::Closed;
                // A minute of the other kind before it leaves ten seconds of failures to count.
                if (is_new && !is_bad && now.us % 60'000'000 > 10'000'000) {
                    FAIL("seed " << seed << ": opened at one percent");
                }
            } else {
                breaker.on_successes(1, now);
            }
        }
        CHECK(breaker.opened() > 50);
        CHECK(tried > kSteps / 4);
    }
}

TEST_CASE("a million choices are eligible, and splits stay within the capacity") {
    for (const uint64_t seed : seeds()) {
        Prng random(seed);
        Selector selector({}, 20);
        std::vector<Candidate> candidates(20);
        for (int i = 0; i < kSteps; ++i) {
            Candidate& changed = candidates[random.below(20)];
            changed.in_use = static_cast<uint32_t>(random.below(20));
            changed.limit = static_cast<uint32_t>(random.below(25));
            changed.health = static_cast<double>(random.below(101)) / 100;
            changed.is_eligible = random.chance(50);
            const std::span<const Candidate> view(candidates.data(), 1 + random.below(20));
            SelectionOptions options;
            options.method = static_cast<LoadBalance>(random.below(5));
            selector.configure(options);
            const auto chosen = selector.select(view, random);
            if (chosen && (*chosen >= view.size() || !view[*chosen].is_eligible)) {
                FAIL("seed " << seed);
            }
            if (i % 50 != 0) continue;
            ShareDemand demands[5];
            uint32_t shares[5];
            for (ShareDemand& demand : demands)
                demand = {static_cast<uint32_t>(random.below(50)),
                          static_cast<uint32_t>(random.below(5)), 0};
            const ShareOptions share{.capacity = static_cast<uint32_t>(random.below(100)),
                                     .floor = 2,
                                     .reserved_percent = 20};
            fair_shares(demands, share, random.next(), shares);
            uint32_t sum = 0;
            for (const uint32_t one : shares)
                sum += one;
            if (sum > share.capacity) FAIL("seed " << seed);
        }
    }
}

}  // namespace
}  // namespace weir::sim
