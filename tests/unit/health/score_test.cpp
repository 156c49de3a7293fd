// Goal: each factor is what its formula says, h falls at once and rises slowly, and nothing leaves
// its bounds. Method: hand-made instants; numbers worked out from the formulas; random inputs.
#include "health/score.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "health/jitter.h"
#include "health/median_of_three.h"
#include "health/peak_ewma.h"
#include "protocol/base/random.h"

namespace weir::score_test {
namespace {

using doctest::Approx;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const HealthOptions kOptions;
constexpr Instant kStart{1'000'000'000};

double log_ms(int64_t ms) {
    return log_latency(milliseconds(ms), kOptions);
}

// As many probes as it takes until the mean is theirs. Takes and gives the time.
Instant probe_long(Score& score, double latency_log, Instant now) {
    for (int i = 0; i < 60; ++i, now = now + seconds(1))
        score.on_probe(latency_log, now, kOptions);
    return now;
}

TEST_CASE("an EWMA weighs a sample by the time since the last") {
    CHECK(ewma_weight(seconds(5), seconds(5)) == Approx(1 - std::exp(-1.0)));
    CHECK(ewma_weight(Duration(0), seconds(5)) == 0);
    CHECK(ewma_weight(seconds(-5), seconds(5)) == 0);
    CHECK(ewma_weight(seconds(1), Duration(0)) == 1);
    Ewma mean;
    CHECK(mean.is_empty());
    mean.add(10, kStart, seconds(5), 0);
    CHECK(mean.value() == 10);
    mean.add(20, kStart + seconds(5), seconds(5), 0);
    CHECK(mean.value() == Approx(10 + 10 * (1 - std::exp(-1.0))));
    mean.add(1000, kStart + seconds(5), seconds(5), 0);  // no time, no weight
    CHECK(mean.value() == Approx(10 + 10 * (1 - std::exp(-1.0))));
    mean.add(1000, Instant{int64_t{1} << 60}, seconds(5), 0);
    CHECK(mean.value() == Approx(1000));
}

TEST_CASE("a sample never weighs less than the least") {
    Ewma mean(0.0);
    mean.reset(0, kStart);
    mean.add(1, kStart, seconds(5), 1.0 / 64);
    CHECK(mean.value() == Approx(1.0 / 64));
    mean.add(1, Instant{kStart.us - 1000}, seconds(5), 1.0 / 64);  // a step back is no time
    CHECK(mean.value() == Approx(1.0 / 64 + (1 - 1.0 / 64) / 64));
}

TEST_CASE("many samples at once are as many spread evenly") {
    for (const int count : {1, 2, 10, 1000}) {
        Ewma one_by_one(0.5);
        Ewma at_once(0.5);
        one_by_one.reset(0.5, kStart);
        at_once.reset(0.5, kStart);
        for (int i = 1; i <= count; ++i)
            one_by_one.add(1, kStart + i * milliseconds(4000) / count, seconds(5), 1.0 / 64);
        at_once.add_many(1, static_cast<uint64_t>(count), kStart + seconds(4), seconds(5),
                         1.0 / 64);
        CHECK(at_once.value() == Approx(one_by_one.value()).epsilon(1e-6));
    }
    Ewma none;
    none.add_many(1, 0, kStart, seconds(5), 0);
    CHECK(none.is_empty());
}

TEST_CASE("without evidence the score is perfect") {
    Score score;
    score.update(kStart, {}, kOptions);
    CHECK(score.h() == 1);
    CHECK(score.raw() == 1);
    CHECK_FALSE(score.latency_log());
    CHECK(score.error_rate() == 0);
    CHECK(score.factors().warm == 1);  // no warm-up without a recovery
}

TEST_CASE("the error factor is the cube of the share of successes, with a floor") {
    Score score;
    score.on_result(false, 1, kStart, kOptions);
    score.on_result(true, 1, kStart, kOptions);
    score.update(kStart, {}, kOptions);
    CHECK(score.factors().error == Approx(std::pow(1 - 1.0 / 64, 3)));
    score.on_result(true, 100'000, kStart + seconds(1), kOptions);
    score.update(kStart + seconds(1), {}, kOptions);
    CHECK(score.factors().error == 0.02);
    CHECK(score.h() == Approx(0.02));
}

TEST_CASE("latency up to a quarter above the best costs nothing, beyond it proportionally") {
    const struct {
        int64_t ms;
        double expected;
    } cases[] = {{10, 1.0}, {12, 1.0}, {20, 0.625}, {100, 0.125}, {1000, 1.0 / 16}, {5, 1.0}};
    for (const auto& example : cases) {
        Score score;
        score.update(probe_long(score, log_ms(example.ms), kStart), {.probe = log_ms(10)},
                     kOptions);
        CAPTURE(example.ms);
        CHECK(score.factors().latency == Approx(example.expected));
    }
}

TEST_CASE("the first probe alone convicts nobody; ten that are slow do") {
    const BestLatency peers{.probe = log_ms(1)};
    Score score;
    score.on_probe(log_ms(50), kStart, kOptions);
    score.update(kStart, peers, kOptions);
    CHECK(score.h() == 1);
    Instant now = kStart;
    for (int i = 0; i < 10; ++i) {
        now = now + std::chrono::milliseconds(500);
        score.on_probe(log_ms(50), now, kOptions);
    }
    score.update(now, peers, kOptions);
    CHECK(score.h() < 0.15);
    // One that is far away and has no peers is as slow as it always was.
    score.update(now, {}, kOptions);
    CHECK(score.factors().latency == 1);
}

TEST_CASE("one slow probe among quick ones costs nothing; two in a row do, and all say so soon") {
    const BestLatency peers{.probe = log_ms(1)};
    Score score;
    Instant now = probe_long(score, log_ms(1), kStart);
    const auto probe = [&](int64_t ms) {
        score.on_probe(log_ms(ms), now, kOptions);
        score.update(now, peers, kOptions);
        now = now + seconds(1);
        return score.factors().latency;
    };
    CHECK(probe(500) == 1);
    CHECK(probe(1) == 1);
    CHECK(probe(1) == 1);
    CHECK(probe(500) == 1);
    CHECK(probe(500) < 0.5);
    CHECK(probe(1) < 0.5);  // two of three
    for (int i = 0; i < 20; ++i)
        probe(1);
    CHECK(probe(1) == 1);
    // Slow from now on: with the fifth second less than a sixth is left.
    for (int i = 0; i < 4; ++i)
        probe(50);
    CHECK(probe(50) < 0.16);
}

TEST_CASE("the median of three is what is neither the most nor the least") {
    MedianOfThree median(1);
    CHECK(median.add(5) == 1);
    CHECK(median.add(4) == 4);
    CHECK(median.add(3) == 4);
    CHECK(median.add(9) == 4);
    CHECK(median.add(1) == 3);
    CHECK(median.add(1) == 1);
}

TEST_CASE("statements are compared with statements, once there are some on both sides") {
    Score score;
    score.on_probe(log_ms(1), kStart, kOptions);
    score.on_statements(log_ms(100), 9, kStart, kOptions);
    CHECK_FALSE(score.statement_log(kStart, kOptions));
    const BestLatency peers{.probe = log_ms(1), .statement = log_ms(10)};
    score.update(kStart, peers, kOptions);
    CHECK(score.factors().latency == 1);  // too few to say
    score.on_statements(log_ms(100), 1, kStart, kOptions);
    CHECK(*score.statement_log(kStart, kOptions) == Approx(log_ms(100)));
    score.update(kStart, peers, kOptions);
    CHECK(score.factors().latency == Approx(0.125));
    // A peer that only answers probes is no measure for those that do the work, nor is the past.
    score.update(kStart, {.probe = log_ms(1)}, kOptions);
    CHECK(score.factors().latency == 1);
    score.update(kStart, {}, kOptions);
    CHECK(score.factors().latency == 1);
    CHECK_FALSE(score.statement_log(kStart + seconds(60), kOptions));  // long ago
}

TEST_CASE("where there are statements, probes do not count") {
    Score score;
    const Instant now = probe_long(score, log_ms(20), kStart);
    const BestLatency peers{.probe = log_ms(1), .statement = log_ms(100)};
    score.update(now, peers, kOptions);
    CHECK(score.factors().latency < 0.1);
    score.on_statements(log_ms(110), 10, now, kOptions);
    score.update(now, peers, kOptions);
    CHECK(score.factors().latency == 1);
    // All of its peers' statements are long ago, or its own: the probes' word again.
    score.update(now, {.probe = log_ms(1)}, kOptions);
    CHECK(score.factors().latency < 0.1);
    score.update(now + seconds(60), peers, kOptions);
    CHECK(score.factors().latency < 0.1);
}

TEST_CASE("while all are saturated, one may be some times slower than the best") {
    Score score;
    BestLatency peers{.statement = log_ms(10), .is_saturated = true};
    Instant now = kStart;
    const auto work = [&](int count) {
        for (int i = 0; i < count; ++i) {
            now = now + milliseconds(100);
            score.on_statements(log_ms(30), 3, now, kOptions);
            score.update(now, peers, kOptions);
        }
        return score.factors().latency;
    };
    CHECK(work(100) == 1);
    CHECK(score.h() == 1);
    peers.is_saturated = false;
    CHECK(work(50) == 1);  // its latencies are still those of before
    CHECK(work(200) == Approx(1.25 / 3));
    peers.is_saturated = true;  // for a moment only
    CHECK(work(5) == Approx(1.25 / 3));
    CHECK(work(30) == 1);
}

TEST_CASE("a busy endpoint's moment of standing still costs little, a second of it much") {
    Score score;
    const BestLatency peers{.statement = log_ms(10)};
    Instant now = kStart;
    const auto work = [&](int ticks, int64_t ms) {
        for (int i = 0; i < ticks; ++i) {
            now = now + milliseconds(100);
            score.on_statements(log_ms(ms), 40, now, kOptions);
            score.update(now, peers, kOptions);
        }
        return score.factors().latency;
    };
    CHECK(work(20, 10) == 1);
    CHECK(work(2, 100) > 0.8);
    CHECK(work(10, 100) < 0.3);
    CHECK(work(50, 10) == 1);
}

TEST_CASE("statements that hung through an outage do not count after it") {
    Score score;
    score.on_statements(log_ms(5000), 20, kStart, kOptions);
    score.on_recovery(kStart, kOptions);
    CHECK_FALSE(score.statement_log(kStart, kOptions));
    score.update(kStart, {.statement = log_ms(10)}, kOptions);
    CHECK(score.factors().latency == 1);
}

TEST_CASE("latencies below a millisecond are equal") {
    CHECK(log_latency(Duration(1), kOptions) == log_ms(1));
    CHECK(log_latency(Duration(-7), kOptions) == log_ms(1));
    HealthOptions no_floor;
    no_floor.latency_floor = Duration(0);
    CHECK(log_latency(Duration(0), no_floor) == 0);
}

TEST_CASE("a single endpoint is compared with its own last ten minutes") {
    Score score;
    Instant now = kStart;
    for (int i = 0; i < 600; ++i, now = now + seconds(1))
        score.on_probe(log_ms(10), now, kOptions);
    score.update(now, {}, kOptions);
    CHECK(score.factors().latency == 1);
    for (int i = 0; i < 30; ++i, now = now + seconds(1))
        score.on_probe(log_ms(30), now, kOptions);
    score.update(now, {}, kOptions);
    CHECK(score.factors().latency == 1);  // load makes slower; that is no sickness
    for (int i = 0; i < 30; ++i, now = now + seconds(1))
        score.on_probe(log_ms(100), now, kOptions);
    score.update(now, {}, kOptions);
    CHECK(score.factors().latency < 0.55);
    CHECK(score.factors().latency >= 0.4);
    for (int i = 0; i < 3600; ++i, now = now + seconds(1))
        score.on_probe(log_ms(100), now, kOptions);
    score.update(now, {}, kOptions);
    CHECK(score.factors().latency == 1);  // what lasts an hour is normal
}

TEST_CASE("a thousand slow statements within a second do not become the baseline") {
    Score score;
    score.on_probe(log_ms(10), kStart, kOptions);
    for (int i = 1; i <= 10'000; ++i)
        score.on_probe(log_ms(100), kStart + Duration(100 * i), kOptions);
    score.update(kStart + seconds(1), {}, kOptions);
    CHECK(score.factors().latency < 0.42);
}

TEST_CASE("lag costs nothing up to the soft limit and everything at the hard one") {
    Lag lag{.is_replica = true, .delay = {}, .bytes = {}};
    CHECK(lag_score(lag, kOptions) == 0.5);
    const struct {
        Duration delay;
        double expected;
    } cases[] = {{Duration(0), 1},  {seconds(2), 1},  {seconds(6), 0.5},
                 {seconds(8), .25}, {seconds(10), 0}, {seconds(3600), 0}};
    for (const auto& [delay, expected] : cases) {
        lag.delay = delay;
        CHECK(lag_score(lag, kOptions) == Approx(expected));
    }
    lag.is_replica = false;
    CHECK(lag_score(lag, kOptions) == 1);
    CHECK_FALSE(is_beyond_hard_lag(lag, kOptions));
}

TEST_CASE("beyond the hard limit is later than ten seconds, or more bytes than allowed") {
    Lag lag{.is_replica = true, .delay = seconds(10), .bytes = 1'000'000};
    CHECK_FALSE(is_beyond_hard_lag(lag, kOptions));
    lag.delay = seconds(10) + Duration(1);
    CHECK(is_beyond_hard_lag(lag, kOptions));
    lag.delay.reset();
    HealthOptions options;
    options.lag_hard_bytes = 1'000'000;
    CHECK_FALSE(is_beyond_hard_lag(lag, options));
    lag.bytes = 1'000'001;
    CHECK(is_beyond_hard_lag(lag, options));
    lag.bytes.reset();
    CHECK_FALSE(is_beyond_hard_lag(lag, options));
}

TEST_CASE("equal soft and hard limits make a step") {
    HealthOptions options;
    options.lag_hard = options.lag_soft;
    CHECK(lag_score({true, seconds(2), {}}, options) == 1);
    CHECK(lag_score({true, seconds(3), {}}, options) == 0);
}

TEST_CASE("h falls at once and rises with a time constant of ten seconds") {
    Score score;
    score.update(kStart, {}, kOptions);
    score.on_lag({true, seconds(6), {}});
    score.update(kStart, {}, kOptions);
    CHECK(score.h() == Approx(0.5));
    score.on_lag({true, seconds(0), {}});
    score.update(kStart, {}, kOptions);  // the clock stands still
    CHECK(score.raw() == 1);
    CHECK(score.h() == Approx(0.5));
    score.update(kStart + seconds(10), {}, kOptions);
    CHECK(score.h() == Approx(1 - 0.5 * std::exp(-1.0)));
    // However the ten seconds are cut.
    Score other;
    other.update(kStart, {}, kOptions);
    other.on_lag({true, seconds(6), {}});
    other.update(kStart, {}, kOptions);
    other.on_lag({true, seconds(0), {}});
    for (int i = 1; i <= 1000; ++i)
        other.update(kStart + milliseconds(10 * i), {}, kOptions);
    CHECK(other.h() == Approx(score.h()));
}

TEST_CASE("after a recovery an endpoint warms up from a tenth over thirty seconds") {
    Score score;
    for (int i = 0; i < 200; ++i)
        score.on_result(true, 1, kStart, kOptions);
    score.update(kStart, {}, kOptions);
    CHECK(score.h() < 0.1);
    score.on_recovery(kStart, kOptions);
    CHECK(score.h() == 1);
    CHECK(score.error_rate() == 0);
    CHECK(score.factors().warm == 0.1);
    const struct {
        int64_t seconds_since;
        double expected;
    } cases[] = {{0, .1}, {3, .1}, {15, .5}, {30, 1}, {3600, 1}};
    for (const auto& [since, expected] : cases) {
        score.update(kStart + seconds(since), {}, kOptions);
        CHECK(score.factors().warm == Approx(expected));
    }
    HealthOptions cold;
    cold.slow_start = Duration(0);
    score.on_recovery(kStart, cold);
    CHECK(score.factors().warm == 1);
    score.update(kStart, {}, cold);
    CHECK(score.factors().warm == 1);
}

TEST_CASE("a recovery does not forget slowness") {
    Score score;
    const Instant now = probe_long(score, log_ms(100), kStart);
    score.update(now, {.probe = log_ms(10)}, kOptions);
    score.on_recovery(now, kOptions);
    CHECK(score.h() == Approx(0.125));
}

TEST_CASE("whatever happens, factors and h stay within 0 and 1") {
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        Prng random(seed);
        Score score;
        Instant now = kStart;
        for (int step = 0; step < 500; ++step) {
            now.us += static_cast<int64_t>(random.below(random.chance(3) ? 1ULL << 50 : 3'000'000));
            if (random.chance(3)) now.us = static_cast<int64_t>(random.below(2'000'000'000));
            switch (random.below(5)) {
                case 0:
                    score.on_result(random.chance(50), random.below(1000), now, kOptions);
                    break;
                case 1: {
                    const Duration latency(static_cast<int64_t>(random.below(1ULL << 40)));
                    score.on_probe(log_latency(latency, kOptions), now, kOptions);
                    break;
                }
                case 2: score.on_lag({random.chance(80), seconds(random.below(20)), {}}); break;
                case 3: score.on_recovery(now, kOptions); break;
                default: score.update(now, {}, kOptions); break;
            }
            const Factors& factors = score.factors();
            CAPTURE(seed);
            for (const double value : {factors.error, factors.latency, factors.lag, factors.warm,
                                       score.h(), score.raw(), score.error_rate()}) {
                REQUIRE(value >= 0);
                REQUIRE(value <= 1);
            }
        }
    }
}

TEST_CASE("a peak EWMA jumps up at once and comes down within its decay") {
    PeakEwma peak;
    CHECK(peak.us() == 30'000);
    peak.add(seconds(1), kStart);
    CHECK(peak.us() == 1e6);
    peak.add(Duration(0), kStart);
    CHECK(peak.us() == 1e6);
    peak.add(Duration(0), kStart + seconds(10));
    CHECK(peak.us() == Approx(1e6 * std::exp(-1.0)));
    peak.add(Duration(-5), kStart + seconds(1000));
    CHECK(peak.us() == Approx(0).epsilon(1));
}

TEST_CASE("jitter stays within its bounds and reaches nearly all of them") {
    Prng random(7);
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (int i = 0; i < 20'000; ++i) {
        const int64_t up = jittered_up(seconds(5), 20, random).count();
        if (up < 5'000'000 || up > 6'000'000) FAIL(up);
        const int64_t around = jittered_around(seconds(2), 20, random).count();
        if (around < 1'600'000 || around > 2'400'000) FAIL(around);
        least = std::min(least, around);
        most = std::max(most, around);
    }
    CHECK(least < 1'610'000);
    CHECK(most > 2'390'000);
    CHECK(jittered_up(Duration(-5), 20, random) == Duration(0));
    CHECK(jittered_up(seconds(5), 0, random) == seconds(5));
    CHECK(jittered_around(seconds(1), 500, random) <= seconds(2));
    CHECK(jittered_around(Duration(0), 20, random) == Duration(0));
    CHECK(jittered_up(Duration(INT64_MAX / 4), 20, random) > Duration(0));
}

}  // namespace
}  // namespace weir::score_test
