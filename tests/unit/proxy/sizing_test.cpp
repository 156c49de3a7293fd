// Goal: the target is what the specification says of demand and ceiling, the ceiling follows the
// server and not the queue, and pools grow and shrink in bounded steps.
// Method: hand-made samples with numbers worked out from the formulas; random ones with bounds.
#include "proxy/pool/sizing.h"

#include <doctest/doctest.h>

#include <cmath>

#include "proxy/pool/login_ramp.h"

namespace weir::sizing_test {
namespace {

using doctest::Approx;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{1'000'000'000};

SizingSample sample_of(uint32_t in_use, uint32_t waiting, double service_s = 0,
                       double saturated = 0) {
    SizingSample sample;
    sample.in_use = in_use;
    sample.waiting = waiting;
    sample.released = service_s > 0 ? 1000 : 0;
    sample.service_total = Duration(std::llround(service_s * 1e9));
    sample.saturated_share = saturated;
    return sample;
}

SizingOptions adaptive(uint32_t min, uint32_t max, uint32_t start = 0) {
    SizingOptions options;
    options.mode = SizingMode::Adaptive;
    options.min = min;
    options.max = max;
    options.ceiling_start = start;
    return options;
}

TEST_CASE("demand is the largest peak of the last three buckets of ten seconds") {
    DemandTracker demand;
    const Instant start{1'000'000'000};  // begins a bucket
    CHECK(demand.peak(start) == 0);
    demand.observe(5, start);
    demand.observe(9, start + seconds(1));
    demand.observe(3, start + seconds(2));
    CHECK(demand.peak(start + seconds(2)) == 9);
    demand.observe(4, start + seconds(15));
    CHECK(demand.peak(start + seconds(29)) == 9);
    CHECK(demand.peak(start + seconds(30)) == 4);
    CHECK(demand.peak(start + seconds(40)) == 0);
    demand.observe(7, start);  // the clock has stepped back
    CHECK(demand.peak(start) == 7);
    CHECK(demand.peak(Instant{int64_t{1} << 61}) == 0);
}

TEST_CASE("fixed is the maximum, whatever happens") {
    SizingOptions options;
    options.mode = SizingMode::Fixed;
    options.max = 30;
    PoolSizing sizing(options);
    CHECK(sizing.target(kStart) == 30);
    SizingSample sample = sample_of(0, 0);
    sample.capacity_signals = 5;
    CHECK(sizing.update(kStart, sample) == 30);
}

TEST_CASE("demand asks for a tenth more than was wanted at once, within its bounds") {
    SizingOptions options;
    options.min = 3;
    options.max = 50;
    const struct {
        uint32_t in_use, waiting, expected;
    } cases[] = {{0, 0, 3}, {1, 0, 3}, {10, 0, 11}, {10, 10, 22}, {45, 0, 50}, {50, 900, 50}};
    for (const auto& example : cases) {
        PoolSizing sizing(options);
        CAPTURE(example.in_use);
        CHECK(sizing.update(kStart, sample_of(example.in_use, example.waiting)) ==
              example.expected);
    }
}

TEST_CASE("a burst between samples counts at once, and is remembered for half a minute") {
    PoolSizing sizing({});
    CHECK(sizing.update(kStart, sample_of(0, 0)) == 1);
    sizing.observe(8, 2, kStart);
    CHECK(sizing.target(kStart) == 11);
    CHECK(sizing.update(kStart + seconds(20), sample_of(1, 0)) == 11);
    CHECK(sizing.update(kStart + seconds(31), sample_of(1, 0)) == 2);
}

TEST_CASE("odd bounds give sane targets") {
    SizingOptions options;
    options.min = 10;
    options.max = 5;
    CHECK(PoolSizing(options).update(kStart, sample_of(0, 0)) == 5);
    options.min = options.max = 0;
    CHECK(PoolSizing(options).update(kStart, sample_of(7, 7)) == 0);
    CHECK(PoolSizing(adaptive(10, 5)).update(kStart, sample_of(9, 9, 1.0)) == 5);
    CHECK(PoolSizing(adaptive(0, 0)).update(kStart, sample_of(9, 9, 1.0)) == 0);
}

TEST_CASE("the ceiling moves once per second, and only if at least half of it is in use") {
    PoolSizing sizing(adaptive(1, 100, 40));
    CHECK(sizing.ceiling() == 40);
    sizing.update(kStart, sample_of(19, 0, 0.01));
    CHECK(sizing.ceiling() == 40);
    CHECK(sizing.baseline_s() == Approx(0.01));  // learned all the same
    sizing.update(kStart + milliseconds(999), sample_of(40, 5, 0.01));
    CHECK(sizing.ceiling() == 40);
    sizing.update(kStart + milliseconds(1000), sample_of(20, 0, 0.01));
    const double probing = std::sqrt(40.0) / 2;
    CHECK(sizing.ceiling() == Approx(0.8 * 40 + 0.2 * (40 + probing)));
    // A second without any release teaches nothing.
    sizing.update(kStart + seconds(2), sample_of(40, 5));
    CHECK(sizing.ceiling() == Approx(40 + 0.2 * probing));
}

TEST_CASE("the peak within the second counts as use") {
    PoolSizing sizing(adaptive(1, 100, 40));
    SizingSample sample = sample_of(0, 0, 0.01);
    sample.in_use_peak = 40;
    sizing.update(kStart, sample);
    CHECK(sizing.ceiling() > 40);
}

TEST_CASE("slower service beyond half more lowers the ceiling, at most by half of it a fifth") {
    PoolSizing sizing(adaptive(1, 1000, 100));
    sizing.update(kStart, sample_of(10, 0, 0.01));
    sizing.update(kStart + seconds(1), sample_of(100, 50, 0.02, 1.0));
    CHECK(sizing.ceiling() == Approx(0.8 * 100 + 0.2 * (100 * 0.75 + 5)).epsilon(0.001));
    const double before = sizing.ceiling();
    sizing.update(kStart + seconds(2), sample_of(100, 50, 10.0, 1.0));
    CHECK(sizing.ceiling() ==
          Approx(0.8 * before + 0.2 * (before * 0.5 + std::sqrt(before) / 2)).epsilon(0.001));
}

TEST_CASE("the baseline learns from seconds without a queue and hardly from others") {
    PoolSizing sizing(adaptive(1, 100, 50));
    sizing.update(kStart, sample_of(10, 0, 0.010));
    sizing.update(kStart + seconds(1), sample_of(10, 0, 0.020, 0.09));
    CHECK(sizing.baseline_s() == Approx(0.010 + 0.010 * (1 - std::exp(-1.0 / 60))));
    const double before = sizing.baseline_s();
    sizing.update(kStart + seconds(2), sample_of(50, 90, 0.200, 0.10));
    CHECK(sizing.baseline_s() == Approx(before * 1.0002));
    sizing.update(kStart + seconds(3), sample_of(50, 90, 0.001, 1.0));  // falling is free
    CHECK(sizing.baseline_s() < before);
    for (int i = 4; i < 1204; ++i)
        sizing.update(kStart + seconds(i), sample_of(50, 90, 1.0, 1.0));
    CHECK(sizing.baseline_s() < before * std::pow(1.0002, 1200));
    CHECK(sizing.baseline_s() > before * 1.2);
}

TEST_CASE("a gap in time does not let the baseline run away") {
    PoolSizing sizing(adaptive(1, 100, 50));
    sizing.update(kStart, sample_of(10, 0, 0.010));
    sizing.update(kStart + seconds(1'000'000), sample_of(50, 90, 1.0, 1.0));
    CHECK(sizing.baseline_s() <= 0.010 * 1.0121);
}

TEST_CASE("the server's own signals lower the ceiling by a tenth, once per second") {
    PoolSizing sizing(adaptive(5, 100));
    SizingSample sample = sample_of(0, 0);
    sample.capacity_signals = 30;
    sizing.update(kStart, sample);
    CHECK(sizing.ceiling() == Approx(90));
    sizing.update(kStart + milliseconds(500), sample);
    CHECK(sizing.ceiling() == Approx(90));
    sizing.update(kStart + seconds(1), sample);
    CHECK(sizing.ceiling() == Approx(81));
    for (int i = 2; i < 100; ++i)
        sizing.update(kStart + seconds(i), sample);
    CHECK(sizing.ceiling() == 5);
}

TEST_CASE("waiters, however many, never lower the ceiling") {
    PoolSizing sizing(adaptive(1, 100, 30));
    for (int i = 0; i < 600; ++i) {
        const double before = sizing.ceiling();
        sizing.update(kStart + seconds(i), sample_of(100, 10'000, 0.010, 1.0));
        REQUIRE(sizing.ceiling() >= before);
    }
    CHECK(sizing.ceiling() == 100);
}

TEST_CASE("a clock that stands still moves nothing") {
    PoolSizing sizing(adaptive(1, 100, 30));
    sizing.update(kStart, sample_of(30, 0, 0.01));
    const double before = sizing.ceiling();
    for (int i = 0; i < 100; ++i)
        sizing.update(kStart, sample_of(30, 9, 0.05, 1.0));
    sizing.update(Instant{5}, sample_of(30, 9, 0.05, 1.0));
    CHECK(sizing.ceiling() == before);
}

TEST_CASE("new options keep what was learned, within the new bounds") {
    PoolSizing sizing(adaptive(1, 100, 50));
    sizing.update(kStart, sample_of(10, 0, 0.010));
    sizing.configure(adaptive(1, 20));
    CHECK(sizing.ceiling() == 20);
    CHECK(sizing.baseline_s() == Approx(0.010));
    sizing.configure(adaptive(30, 100));
    CHECK(sizing.ceiling() == 100);  // 20 was no more than the maximum
    SizingSample too_many;
    too_many.capacity_signals = 1;
    sizing.update(kStart + seconds(9), too_many);
    CHECK(sizing.ceiling() == Approx(90));
    sizing.configure(adaptive(30, 200));
    CHECK(sizing.ceiling() == Approx(90));
    sizing.configure({});
    CHECK(sizing.ceiling() == 20);  // demand: the maximum
}

TEST_CASE("any samples: the target stays within its bounds") {
    for (uint64_t seed = 1; seed <= 200; ++seed) {
        Prng random(seed);
        const auto min = static_cast<uint32_t>(random.below(20));
        SizingOptions options = adaptive(min, min + static_cast<uint32_t>(random.below(200)));
        options.mode = static_cast<SizingMode>(random.below(3));
        PoolSizing sizing(options);
        Instant now = kStart;
        for (int i = 0; i < 300; ++i) {
            now.us += static_cast<int64_t>(random.below(random.chance(3) ? 1ULL << 44 : 2'000'000));
            SizingSample sample = sample_of(static_cast<uint32_t>(random.below(300)),
                                            static_cast<uint32_t>(random.below(10'000)),
                                            static_cast<double>(random.below(1000)) / 500,
                                            static_cast<double>(random.below(100)) / 99);
            sample.capacity_signals = random.chance(10) ? 1 : 0;
            const uint32_t target = sizing.update(now, sample);
            CAPTURE(seed);
            REQUIRE(target >= options.min);
            REQUIRE(target <= options.max);
            REQUIRE(std::isfinite(sizing.ceiling()));
            REQUIRE(std::isfinite(sizing.baseline_s()));
        }
    }
}

TEST_CASE("a pool shrinks by what is beyond the target and long idle, a tenth at a time") {
    CHECK(shrink_count(10, 10, 10) == 0);
    CHECK(shrink_count(5, 10, 5) == 0);
    CHECK(shrink_count(100, 20, 100) == 10);
    CHECK(shrink_count(100, 95, 100) == 5);
    CHECK(shrink_count(100, 20, 3) == 3);
    CHECK(shrink_count(4, 0, 4) == 1);
    CHECK(shrink_count(4, 0, 0) == 0);
}

TEST_CASE("a lifetime is shortened by up to a fifth, never lengthened") {
    Prng random(1);
    int64_t least = INT64_MAX;
    for (int i = 0; i < 10'000; ++i) {
        const Duration lifetime = jittered_lifetime(seconds(3600), random);
        if (lifetime > seconds(3600) || lifetime < seconds(2880)) FAIL(lifetime.count());
        least = std::min(least, lifetime.count());
    }
    CHECK(least < 2'900'000'000);
    CHECK(jittered_lifetime(Duration(0), random) == Duration(0));
    CHECK(jittered_lifetime(Duration(1), random) == Duration(1));
}

TEST_CASE("a pool that never failed may log in as often at once as it is allowed to") {
    LoginRamp ramp;
    CHECK(ramp.burst() == 8);
    CHECK(ramp.may_begin(kStart, 7));
    CHECK_FALSE(ramp.may_begin(kStart, 8));
    LoginRampOptions options;
    options.burst_max = 32;
    ramp.configure(options);
    CHECK(ramp.burst() == 32);
    options.burst_max = 4;
    ramp.configure(options);
    CHECK(ramp.burst() == 4);
    ramp.on_success();
    CHECK(ramp.burst() == 4);
}

TEST_CASE(
    "failures halve the burst and double a pause from 100 ms to 5 s, then one trial at a time") {
    Prng random(1);
    LoginRamp ramp;
    const int pauses_ms[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};
    const uint32_t bursts[] = {4, 2, 1, 1, 1, 1, 1, 1};
    Instant now = kStart;
    for (size_t i = 0; i < 8; ++i) {
        ramp.on_failure(now, random);
        const Duration pause = ramp.retry_at() - now;
        CHECK(pause <= milliseconds(pauses_ms[i]));
        CHECK(pause >= milliseconds(pauses_ms[i] * 4 / 5));
        CHECK(ramp.burst() == bursts[i]);
        CHECK(ramp.is_pausing(now));
        CHECK_FALSE(ramp.may_begin(Instant{ramp.retry_at().us - 1}, 0));
        CHECK(ramp.may_begin(ramp.retry_at(), 0));
        CHECK_FALSE(ramp.may_begin(ramp.retry_at(), 1));
        now = ramp.retry_at();
    }
    CHECK(ramp.failures() == 8);
    ramp.on_success();
    CHECK(ramp.failures() == 0);
    CHECK(ramp.may_begin(now, 1));
    CHECK_FALSE(ramp.may_begin(now, 2));
    LoginRampOptions options;
    options.burst_max = 32;
    ramp.configure(options);
    CHECK(ramp.burst() == 2);  // what was learned stays
}

TEST_CASE("logins that fail while a pause runs are the same failure") {
    Prng random(1);
    LoginRampOptions options;
    options.burst_max = 32;
    LoginRamp ramp(options);
    for (int i = 0; i < 32; ++i)
        ramp.on_failure(kStart + milliseconds(i), random);
    CHECK(ramp.failures() == 1);
    CHECK(ramp.retry_at() <= kStart + milliseconds(100));
    CHECK(ramp.burst() == 1);
}

TEST_CASE("odd options of the ramp make no trouble") {
    Prng random(1);
    LoginRampOptions options;
    options.burst_max = 0;
    options.backoff_max = Duration(-5);
    LoginRamp ramp(options);
    ramp.configure(options);
    ramp.on_success();
    CHECK(ramp.burst() == 1);
    for (int i = 0; i < 100; ++i)
        ramp.on_failure(kStart, random);
    CHECK(ramp.retry_at() == kStart);
}

}  // namespace
}  // namespace weir::sizing_test
