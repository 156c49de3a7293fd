// Goal: never more than rate * time + burst is allowed, nor noticeably less; the arithmetic holds
// from one event in a thousand seconds to ten million a second; many threads are as one.
// Method: hand-made instants, a counting check over random arrivals, real threads.
#include "proxy/limits/gcra.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "protocol/base/random.h"

namespace weir::gcra_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{1'000'000'000};

TEST_CASE("a burst is allowed at once, then one per interval") {
    PlainGcraCell cell;
    const GcraLimit limit = GcraLimit::of(10, seconds(1), 3);
    for (int i = 0; i < 3; ++i)
        CHECK(cell.decide(kStart, limit).is_allowed);
    const GcraDecision refused = cell.decide(kStart, limit);
    CHECK_FALSE(refused.is_allowed);
    CHECK(refused.retry_after == milliseconds(100));
    CHECK_FALSE(cell.decide(kStart + milliseconds(100) + Duration(-1), limit).is_allowed);
    CHECK(cell.decide(kStart + milliseconds(100), limit).is_allowed);
    CHECK_FALSE(cell.decide(kStart + milliseconds(100), limit).is_allowed);
}

TEST_CASE("a refusal costs nothing, and a rest gives back the burst but no more") {
    PlainGcraCell cell;
    const GcraLimit limit = GcraLimit::of(1, seconds(1), 5);
    int allowed = 0;
    for (int i = 0; i < 1000; ++i)
        allowed += cell.decide(kStart, limit).is_allowed ? 1 : 0;
    CHECK(allowed == 5);
    for (int i = 0; i < 1000; ++i)
        allowed += cell.decide(kStart + seconds(1'000'000), limit).is_allowed ? 1 : 0;
    CHECK(allowed == 10);
}

TEST_CASE("what retry_after says comes true, and not before") {
    Prng random(1);
    for (int round = 0; round < 2000; ++round) {
        const GcraLimit limit = GcraLimit::of(1 + random.below(5000), seconds(1 + random.below(50)),
                                              1 + random.below(20));
        PlainGcraCell cell;
        Instant now = kStart;
        GcraDecision decision = cell.decide(now, limit);
        while (decision.is_allowed)
            decision = cell.decide(now, limit);
        REQUIRE(decision.retry_after > Duration(0));
        PlainGcraCell early = cell;
        REQUIRE_FALSE(early.decide(now + (decision.retry_after - Duration(1)), limit).is_allowed);
        REQUIRE(cell.decide(now + decision.retry_after, limit).is_allowed);
    }
}

TEST_CASE("no events or no time is no limit, and no burst is a burst of one") {
    CHECK(GcraLimit::of(0, seconds(1), 5).is_unlimited());
    CHECK(GcraLimit::of(5, Duration(0), 5).is_unlimited());
    CHECK(GcraLimit().is_unlimited());
    PlainGcraCell plain;
    GcraCell shared;
    for (int i = 0; i < 1000; ++i) {
        CHECK(plain.decide(kStart, {}).is_allowed);
        CHECK(shared.decide(kStart, {}).is_allowed);
    }
    CHECK(plain.tat_ns() == 0);
    const GcraLimit limit = GcraLimit::of(1, seconds(1), 0);
    CHECK(plain.decide(kStart, limit).is_allowed);
    CHECK_FALSE(plain.decide(kStart, limit).is_allowed);
}

TEST_CASE("the interval is rounded up: never more than the rate") {
    CHECK(GcraLimit::of(3, seconds(1), 1).interval_ns == 333'333'334);
    CHECK(GcraLimit::of(10'000'000, seconds(1), 1).interval_ns == 100);
    CHECK(GcraLimit::of(1, seconds(1000), 1).interval_ns == 1'000'000'000'000);
    CHECK(GcraLimit::of(UINT64_MAX, seconds(1), 1).interval_ns == 1);
}

TEST_CASE("extreme limits and times do not overflow") {
    const Duration longest(INT64_MAX);
    for (const GcraLimit& limit :
         {GcraLimit::of(1, seconds(1000), UINT64_MAX), GcraLimit::of(1, longest, 1),
          GcraLimit::of(1, longest, UINT64_MAX), GcraLimit::of(10'000'000, seconds(1), UINT64_MAX),
          GcraLimit::of(UINT64_MAX, Duration(1), UINT64_MAX)}) {
        CHECK(limit.interval_ns > 0);
        CHECK(limit.burst_ns > 0);
        CHECK(limit.burst_ns <= GcraLimit::kLongestNs);
        for (const int64_t us : {int64_t{-5}, int64_t{0}, kStart.us, INT64_MAX / 2, INT64_MAX}) {
            PlainGcraCell cell;
            for (int i = 0; i < 10; ++i) {
                const GcraDecision decision = cell.decide(Instant{us}, limit, UINT64_MAX, longest);
                CHECK(decision.retry_after >= Duration(0));
                CHECK(cell.tat_ns() >= 0);
            }
        }
    }
}

TEST_CASE("several events are allowed all or none, more than the burst as the burst") {
    PlainGcraCell cell;
    const GcraLimit limit = GcraLimit::of(10, seconds(1), 10);
    CHECK(cell.decide(kStart, limit, 6).is_allowed);
    CHECK_FALSE(cell.decide(kStart, limit, 5).is_allowed);
    CHECK(cell.decide(kStart, limit, 4).is_allowed);
    CHECK_FALSE(cell.decide(kStart + milliseconds(999), limit, 1000).is_allowed);
    CHECK(cell.decide(kStart + seconds(1), limit, 1000).is_allowed);
    CHECK(cell.decide(kStart + seconds(1), limit, 0).is_allowed);
}

TEST_CASE("with a delay allowed, those who are early are given places one after another") {
    PlainGcraCell cell;
    GcraCell shared;
    const GcraLimit limit = GcraLimit::of(10, seconds(1), 2);
    for (const int delay_ms : {0, 0, 100, 200, 300, 400, 500}) {
        const GcraDecision decision = cell.decide(kStart, limit, 1, milliseconds(500));
        CHECK(decision.is_allowed);
        CHECK(decision.retry_after == milliseconds(delay_ms));
        CHECK(shared.decide(kStart, limit, 1, milliseconds(500)).retry_after ==
              decision.retry_after);
    }
    CHECK_FALSE(cell.decide(kStart, limit, 1, milliseconds(500)).is_allowed);
    CHECK(cell.decide(kStart, limit, 1, milliseconds(500)).retry_after == milliseconds(600));
    CHECK(cell.decide(kStart + milliseconds(100), limit, 1, milliseconds(500)).is_allowed);
    CHECK_FALSE(cell.decide(kStart + milliseconds(600), limit).is_allowed);
    CHECK(cell.decide(kStart + milliseconds(700), limit, 1, milliseconds(-5)).is_allowed);
}

TEST_CASE("a limit that is raised need not wait out the old one") {
    PlainGcraCell cell;
    const GcraLimit slow = GcraLimit::of(1, seconds(1000), 10);
    while (cell.decide(kStart, slow).is_allowed) {
    }
    const GcraLimit fast = GcraLimit::of(10, seconds(1), 1);
    CHECK_FALSE(cell.decide(kStart, fast).is_allowed);
    CHECK(cell.decide(kStart + milliseconds(100), fast).is_allowed);
    CHECK_FALSE(cell.decide(kStart + milliseconds(100), fast).is_allowed);
}

TEST_CASE("a clock that stands still or steps back allows nothing more") {
    PlainGcraCell cell;
    const GcraLimit limit = GcraLimit::of(100, seconds(1), 2);
    CHECK(cell.decide(kStart, limit).is_allowed);
    CHECK(cell.decide(kStart, limit).is_allowed);
    for (int i = 0; i < 100; ++i) {
        CHECK_FALSE(cell.decide(kStart, limit).is_allowed);
        CHECK_FALSE(cell.decide(Instant{kStart.us - i}, limit).is_allowed);
    }
}

TEST_CASE(
    "over any stretch at most rate * time + burst pass, and with enough arrivals nearly all") {
    const struct {
        uint64_t events;
        Duration per;
        int64_t step_us_max;
    } cases[] = {{1, seconds(1000), 100'000'000},
                 {1, seconds(1), 300'000},
                 {1000, seconds(1), 700},
                 {333'333, seconds(1), 4},
                 {10'000'000, seconds(1), 2}};
    for (const auto& rate : cases) {
        for (uint64_t seed = 1; seed <= 5; ++seed) {
            Prng random(seed);
            const uint64_t burst = 1 + random.below(50);
            const GcraLimit limit = GcraLimit::of(rate.events, rate.per, burst);
            PlainGcraCell plain;
            GcraCell shared;
            Instant now = kStart;
            uint64_t allowed = 0;
            for (int i = 0; i < 10'000; ++i) {
                now.us +=
                    static_cast<int64_t>(random.below(static_cast<uint64_t>(rate.step_us_max)));
                for (uint64_t k = random.below(25); k > 0; --k) {
                    const bool is_allowed = plain.decide(now, limit).is_allowed;
                    if (shared.decide(now, limit).is_allowed != is_allowed) FAIL(seed);
                    allowed += is_allowed ? 1 : 0;
                }
            }
            const auto passed = static_cast<double>((now - kStart).count());
            const double due =
                static_cast<double>(rate.events) * passed / static_cast<double>(rate.per.count());
            CAPTURE(rate.events);
            REQUIRE(static_cast<double>(allowed) <= due + static_cast<double>(burst) + 1e-6 * due);
            if (rate.events <= 1000) REQUIRE(static_cast<double>(allowed) >= due * 0.95 - 1);
        }
    }
}

TEST_CASE("threads that share a cell get no more than one thread would") {
    GcraCell cell;
    const GcraLimit limit = GcraLimit::of(1000, seconds(1), 100);
    std::vector<uint64_t> allowed(4, 0);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < allowed.size(); ++t) {
        threads.emplace_back([&cell, &limit, &mine = allowed[t]] {
            for (int i = 0; i < 20'000; ++i)
                mine += cell.decide(kStart + Duration(50 * i), limit).is_allowed ? 1 : 0;
        });
    }
    uint64_t sum = 0;
    for (size_t t = 0; t < threads.size(); ++t) {
        threads[t].join();
        sum += allowed[t];
    }
    CHECK(sum <= 1000 + 100);
    CHECK(sum >= 1000);
}

}  // namespace
}  // namespace weir::gcra_test
