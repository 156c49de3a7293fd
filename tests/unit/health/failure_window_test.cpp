// Goal: exact counts over the last ten seconds, rows of local-origin failures, and no surprise from
// clocks that stand still, step back or leap.
// Method: hand-made instants, and a slow model that keeps every event.
#include "health/failure_window.h"

#include <doctest/doctest.h>

#include <vector>

#include "protocol/base/random.h"

namespace weir::failure_window_test {
namespace {

constexpr int64_t kSecond = 1'000'000;

TEST_CASE("outcomes are counted by kind, and those that are no evidence not at all") {
    FailureWindow window;
    const Instant now{100 * kSecond};
    window.add(Evidence::Success, now, 7);
    window.add(Evidence::LocalFailure, now);
    window.add(Evidence::ServerFailure, now, 2);
    window.add(Evidence::None, now, 50);
    window.add(Evidence::Success, now, 0);
    CHECK(window.totals(now).successes == 7);
    CHECK(window.totals(now).failures == 3);
    CHECK(window.totals(now).samples() == 10);
}

TEST_CASE("only local-origin failures make a row, and any answer ends it") {
    FailureWindow window;
    const Instant now{kSecond};
    window.add(Evidence::LocalFailure, now, 4);
    CHECK(window.consecutive_failures() == 4);
    window.add(Evidence::None, now);
    CHECK(window.consecutive_failures() == 4);
    window.add(Evidence::ServerFailure, now);
    CHECK(window.consecutive_failures() == 0);
    window.add(Evidence::LocalFailure, now);
    window.add(Evidence::Success, now);
    CHECK(window.consecutive_failures() == 0);
}

TEST_CASE("a second is forgotten when ten have begun after it") {
    FailureWindow window;
    window.add(Evidence::LocalFailure, Instant{5 * kSecond});
    CHECK(window.totals(Instant{15 * kSecond - 1}).failures == 1);
    CHECK(window.totals(Instant{15 * kSecond}).failures == 0);
    CHECK(window.consecutive_failures() == 1);  // a row does not age
}

TEST_CASE("a huge gap empties the window, and a clock that steps back loses nothing") {
    FailureWindow window;
    window.add(Evidence::Success, Instant{5 * kSecond}, 9);
    const Instant late{int64_t{1} << 60};
    CHECK(window.totals(late).samples() == 0);
    window.add(Evidence::LocalFailure, late);
    window.add(Evidence::LocalFailure, Instant{1});
    CHECK(window.totals(Instant{0}).failures == 2);
    CHECK(window.totals(late).failures == 2);
}

TEST_CASE("the share of failures counts only with enough samples") {
    FailureWindow window;
    const Instant now{kSecond};
    window.add(Evidence::LocalFailure, now, 10);
    window.add(Evidence::Success, now, 9);
    CHECK_FALSE(window.is_failing(now, 50, 20));
    window.add(Evidence::Success, now);
    CHECK(window.is_failing(now, 50, 20));
    CHECK_FALSE(window.is_failing(now, 51, 20));
    CHECK_FALSE(window.is_failing(now, 0, 20));
    window.clear();
    CHECK(window.totals(now).samples() == 0);
    CHECK(window.consecutive_failures() == 0);
    CHECK_FALSE(window.is_failing(now, 50, 0));
}

TEST_CASE("the ring agrees with a model that keeps every event") {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
        Prng random(seed);
        FailureWindow window;
        struct Event {
            int64_t second;
            bool is_failure;
        };
        std::vector<Event> events;
        Instant now{static_cast<int64_t>(random.below(100)) * kSecond};
        for (int step = 0; step < 300; ++step) {
            if (random.chance(70)) {
                const bool is_failure = random.chance(40);
                window.add(is_failure ? Evidence::LocalFailure : Evidence::Success, now);
                events.push_back({now.us / kSecond, is_failure});
            }
            now.us += static_cast<int64_t>(random.below(random.chance(5) ? 15'000'000 : 700'000));
            FailureWindow::Totals expected;
            for (const Event& event : events) {
                if (now.us / kSecond - event.second >= 10) continue;
                (event.is_failure ? expected.failures : expected.successes) += 1;
            }
            CAPTURE(seed);
            REQUIRE(window.totals(now).failures == expected.failures);
            REQUIRE(window.totals(now).successes == expected.successes);
        }
    }
}

}  // namespace
}  // namespace weir::failure_window_test
