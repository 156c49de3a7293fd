// Goal: one thread drives all workers for as long as it is enough, and no longer. Method: looks at
// invented loads, at invented times.
#include "proxy/control/fold_rule.h"

#include <doctest/doctest.h>

namespace weir::fold_rule_test {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

struct Fixture {
    // Looks every 200 ms, at most `seconds`; gives how many it took to change, or -1.
    int looks_until_changed(const ThreadLoad& load, double idle_cores, int seconds,
                            int clients = 100) {
        for (int i = 1; i <= seconds * 5; ++i) {
            now = now + 200ms;
            if (rule.decide(now, is_folded, load, idle_cores, clients) == is_folded) continue;
            is_folded = !is_folded;
            return i;
        }
        return -1;
    }

    FoldRule rule;
    Instant now{1'000'000};
    bool is_folded = true;
};

TEST_CASE_FIXTURE(Fixture, "folded workers stay so while one thread is enough") {
    CHECK(looks_until_changed({0.0, 0.0}, 2, 60) == -1);
    CHECK(looks_until_changed({0.7, 0.0}, 8, 60) == -1);
    CHECK(looks_until_changed({0.7, 0.2}, 1, 60) == -1);
}

TEST_CASE_FIXTURE(Fixture, "a full thread on a machine with an idle core is unfolded, soon") {
    CHECK(FoldRule::asks_for_idle(true, {0.99, 0.0}));
    CHECK(looks_until_changed({0.99, 0.0}, 0.6, 60) == FoldRule::kFullLooks);
}

TEST_CASE_FIXTURE(Fixture, "where many cores are idle it need not be full") {
    CHECK(FoldRule::asks_for_idle(true, {0.8, 0.0}));
    CHECK(looks_until_changed({0.8, 0.0}, 1.0, 60) == -1);
    CHECK(looks_until_changed({0.8, 0.0}, 4.0, 60) == FoldRule::kFullLooks);
}

TEST_CASE_FIXTURE(Fixture, "a thread that is full for a moment is not unfolded") {
    for (int i = 0; i < 20; ++i) {
        CHECK(looks_until_changed({1.0, 0.0}, 1.0, 0) == -1);
        CHECK(rule.decide(now, true, {1.0, 0.0}, 1.0, 100));
        CHECK(rule.decide(now, true, {1.0, 0.0}, 1.0, 100));
        CHECK(rule.decide(now, true, {0.5, 0.1}, 1.0, 100));
    }
}

TEST_CASE_FIXTURE(Fixture, "on a machine that is full others would lose what more threads get") {
    CHECK(looks_until_changed({0.86, 0.13}, 0.2, 60) == -1);
    CHECK(looks_until_changed({0.6, 0.4}, 0.1, 60) == -1);
}

TEST_CASE_FIXTURE(Fixture, "a thread that waits for a core half of the time is unfolded") {
    CHECK(looks_until_changed({0.3, 0.6}, 0.0, 60) == FoldRule::kFullLooks);
}

TEST_CASE_FIXTURE(Fixture, "little to do is no reason, however little it gets") {
    CHECK(looks_until_changed({0.1, 0.5}, 0.0, 60) == -1);
}

TEST_CASE_FIXTURE(Fixture, "unfolded workers are folded when all together need half a thread") {
    is_folded = false;
    CHECK(looks_until_changed({0.55, 0.05}, 2, 60) == -1);
    CHECK(looks_until_changed({0.3, 0.3}, 2, 60) == -1);   // squeezed: what it wants counts
    CHECK(looks_until_changed({0.3, 0.05}, 2, 60) == 11);  // two seconds after the first look
}

TEST_CASE_FIXTURE(Fixture, "too many connections to register anew are left where they are") {
    is_folded = false;
    CHECK(looks_until_changed({0.1, 0.0}, 2, 60, FoldRule::kClientsMax + 1) == -1);
    CHECK(looks_until_changed({0.1, 0.0}, 2, 60, FoldRule::kClientsMax) > 0);
    // ... but nothing keeps them on a thread that is full.
    CHECK(looks_until_changed({1.0, 0.0}, 2, 60, FoldRule::kClientsMax + 1) == 3);
}

TEST_CASE_FIXTURE(Fixture, "a load that comes and goes does not fold at every turn") {
    is_folded = false;
    int looks = looks_until_changed({0.1, 0.0}, 2, 600);
    int longest = 0;
    for (int i = 0; i < 10; ++i) {
        REQUIRE(looks_until_changed({1.0, 0.0}, 2, 600) > 0);
        const int next = looks_until_changed({0.1, 0.0}, 2, 600);
        CHECK(next >= looks);
        looks = next;
        longest = std::max(longest, next);
    }
    CHECK(longest == 64 * 5 + 1);
    // What has lasted is trusted again.
    REQUIRE(looks_until_changed({0.2, 0.0}, 2, 120) == -1);
    REQUIRE(looks_until_changed({1.0, 0.0}, 2, 600) > 0);
    CHECK(looks_until_changed({0.1, 0.0}, 2, 600) == 11);
}

}  // namespace
}  // namespace weir::fold_rule_test
