// Goal: a breaker opens for the reasons it has, keeps shut as long as it must, lets in one probe
// and then one trial at a time, and does what an operator orders. Method: hand-made instants;
// random events with invariants.
#include "health/circuit_breaker.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Permit = CircuitBreaker::Permit;

struct Fixture {
    BreakerOptions options;
    Prng random{3};
    CircuitBreaker breaker{options, random};
    Instant now{1'000'000'000};

    std::optional<BreakerTransition> fail(int count = 1) {
        std::optional<BreakerTransition> last;
        for (int i = 0; i < count; ++i)
            last = breaker.on_outcome(Outcome::ConnectRefused, now);
        return last;
    }
    void open() {
        REQUIRE(fail(5));
        REQUIRE(breaker.state() == BreakerState::Open);
    }
    void half_open() {
        now = now + *breaker.next_probe_in(now);
        REQUIRE(breaker.tick(now));
        REQUIRE(breaker.state() == BreakerState::HalfOpen);
    }
    std::optional<BreakerTransition> trial(Evidence evidence) {
        REQUIRE(breaker.ask(now) == Permit::Trial);
        return breaker.on_trial(evidence, now, "x");
    }
    void close() {
        half_open();
        breaker.on_probe(true, now, "");
        for (int i = 0; i < 3; ++i)
            trial(Evidence::Success);
        REQUIRE(breaker.state() == BreakerState::Closed);
    }
};

TEST_CASE("a closed breaker lets everything pass") {
    Fixture f;
    CHECK(f.breaker.state() == BreakerState::Closed);
    CHECK(f.breaker.ask(f.now) == Permit::Pass);
    CHECK(*f.breaker.next_probe_in(f.now) == Duration(0));
    CHECK_FALSE(f.breaker.wants_probe());
    CHECK_FALSE(f.fail(4));
    CHECK(f.breaker.ask(f.now) == Permit::Pass);
}

TEST_CASE("five failures in a row, half of twenty, or one final answer open it") {
    Fixture f;
    f.fail(4);
    const auto moved = f.fail();
    REQUIRE(moved);
    CHECK(moved->from == BreakerState::Closed);
    CHECK(moved->to == BreakerState::Open);
    CHECK(moved->reason == "too many failures: connect refused");
    CHECK(f.breaker.ask(f.now) == Permit::Refuse);
    CHECK(f.breaker.refused() == 1);
    CHECK(f.breaker.opened() == 1);

    Fixture g;
    for (int i = 0; i < 10; ++i)
        CHECK_FALSE(g.breaker.on_outcome(Outcome::Success, g.now));
    for (int i = 0; i < 9; ++i)
        CHECK_FALSE(g.breaker.on_outcome(Outcome::ServerError, g.now));
    CHECK(g.breaker.on_outcome(Outcome::ServerError, g.now));

    Fixture h;
    CHECK_FALSE(h.breaker.on_outcome(Outcome::CredentialFailure, h.now));
    const auto final = h.breaker.on_outcome(Outcome::ServerStarting, h.now);
    REQUIRE(final);
    CHECK(final->reason == "server starting up");
}

TEST_CASE("the back-off doubles from one second to thirty, with up to 20 % more") {
    Fixture f;
    for (const int expected : {1, 2, 4, 8, 16, 30, 30, 30}) {
        f.open();
        const Duration pause = *f.breaker.next_probe_in(f.now);
        CAPTURE(expected);
        CHECK(pause >= seconds(expected));
        CHECK(pause <= milliseconds(1200 * expected));
        f.close();
    }
    CHECK(f.breaker.level() == 5);
}

TEST_CASE("ten seconds closed forgive one doubling") {
    Fixture f;
    for (int i = 0; i < 4; ++i) {
        f.open();
        f.close();
    }
    CHECK(f.breaker.level() == 4);
    f.now = f.now + seconds(20);
    f.breaker.tick(f.now);
    CHECK(f.breaker.level() == 2);
    f.now = f.now + seconds(1'000'000'000);
    f.open();
    CHECK(*f.breaker.next_probe_in(f.now) <= milliseconds(1200));
}

TEST_CASE("half open wants a probe first, then one trial at a time, and three close it") {
    Fixture f;
    f.open();
    CHECK_FALSE(f.breaker.tick(f.now));
    f.half_open();
    CHECK(f.breaker.wants_probe());
    CHECK(f.breaker.ask(f.now) == Permit::Refuse);
    CHECK_FALSE(f.breaker.on_probe(true, f.now, ""));
    CHECK_FALSE(f.breaker.wants_probe());
    CHECK(f.breaker.ask(f.now) == Permit::Trial);
    CHECK(f.breaker.ask(f.now) == Permit::Refuse);
    CHECK_FALSE(f.breaker.on_trial(Evidence::Success, f.now, ""));
    CHECK_FALSE(f.trial(Evidence::None));
    CHECK_FALSE(f.trial(Evidence::Success));
    const auto moved = f.trial(Evidence::Success);
    REQUIRE(moved);
    CHECK(moved->to == BreakerState::Closed);
    CHECK(moved->reason == "3 trials succeeded");
    CHECK_FALSE(f.fail(4));  // the old failures are forgotten
}

TEST_CASE("a failed probe or trial reopens it for longer") {
    Fixture f;
    f.open();
    f.half_open();
    auto moved = f.breaker.on_probe(false, f.now, "timeout");
    REQUIRE(moved);
    CHECK(moved->reason == "probe failed: timeout");
    CHECK(*f.breaker.next_probe_in(f.now) >= seconds(2));
    f.half_open();
    f.breaker.on_probe(true, f.now, "");
    f.trial(Evidence::Success);
    moved = f.trial(Evidence::ServerFailure);
    REQUIRE(moved);
    CHECK(moved->reason == "trial failed: x");
    CHECK(*f.breaker.next_probe_in(f.now) >= seconds(4));
}

TEST_CASE("without a prober the trials begin at once") {
    Fixture f;
    f.options.needs_probe = false;
    f.breaker.configure(f.options);
    f.open();
    f.half_open();
    CHECK_FALSE(f.breaker.wants_probe());
    CHECK(f.breaker.ask(f.now) == Permit::Trial);
}

TEST_CASE("a lost trial is forgotten after its time") {
    Fixture f;
    f.open();
    f.half_open();
    f.breaker.on_probe(true, f.now, "");
    CHECK(f.breaker.ask(f.now) == Permit::Trial);
    f.now = f.now + f.options.trial_timeout;
    CHECK(f.breaker.ask(f.now) == Permit::Trial);
}

TEST_CASE("what was let in before tells nothing while it is open or half open") {
    Fixture f;
    f.open();
    CHECK_FALSE(f.breaker.on_outcome(Outcome::Success, f.now));
    CHECK_FALSE(f.fail(100));
    CHECK_FALSE(f.breaker.on_trial(Evidence::Success, f.now, ""));
    CHECK_FALSE(f.breaker.on_probe(true, f.now, ""));
    f.half_open();
    CHECK_FALSE(f.fail(100));
    CHECK_FALSE(f.breaker.on_outcome(Outcome::ServerStarting, f.now));
    CHECK(f.breaker.state() == BreakerState::HalfOpen);
}

TEST_CASE("an operator forces it open, closed, and resets it") {
    Fixture f;
    auto moved = f.breaker.force(BreakerForce::Open, f.now);
    REQUIRE(moved);
    CHECK(moved->to == BreakerState::Open);
    CHECK(moved->reason == "forced by the operator");
    CHECK_FALSE(f.breaker.force(BreakerForce::Open, f.now));
    CHECK(f.breaker.ask(f.now) == Permit::Refuse);
    CHECK_FALSE(f.breaker.next_probe_in(f.now));
    CHECK_FALSE(f.breaker.tick(f.now + seconds(3600)));
    moved = f.breaker.force(BreakerForce::Closed, f.now);
    REQUIRE(moved);
    CHECK(f.breaker.forced() == BreakerForce::Closed);
    CHECK_FALSE(f.fail(100));
    CHECK(f.breaker.ask(f.now) == Permit::Pass);
    CHECK_FALSE(f.breaker.reset(f.now));
    CHECK(f.breaker.forced() == BreakerForce::None);
    CHECK_FALSE(f.fail(4));
    CHECK(f.fail());
    moved = f.breaker.reset(f.now);
    REQUIRE(moved);
    CHECK(moved->from == BreakerState::Open);
    CHECK(moved->to == BreakerState::Closed);
    CHECK(f.breaker.level() == 0);
    CHECK(f.breaker.ask(f.now) == Permit::Pass);
}

TEST_CASE("an end of force brings back what lay beneath") {
    Fixture f;
    f.open();
    REQUIRE(f.breaker.force(BreakerForce::Closed, f.now));
    CHECK(f.breaker.ask(f.now) == Permit::Pass);
    const auto moved = f.breaker.force(BreakerForce::None, f.now);
    REQUIRE(moved);
    CHECK(moved->to == BreakerState::Open);
    CHECK(moved->reason == "no longer forced");
}

TEST_CASE("a dry run judges, counts, and lets everything pass but an operator's order") {
    Fixture f;
    f.options.is_dry_run = true;
    f.breaker.configure(f.options);
    f.open();
    for (int i = 0; i < 7; ++i)
        CHECK(f.breaker.ask(f.now) == Permit::Pass);
    CHECK(f.breaker.refused() == 0);
    CHECK(f.breaker.refused_in_dry_run() == 7);
    f.breaker.force(BreakerForce::Open, f.now);
    CHECK(f.breaker.ask(f.now) == Permit::Refuse);
}

TEST_CASE("names are those that SHOW prints") {
    CHECK(to_text(BreakerState::Closed) == "CLOSED");
    CHECK(to_text(BreakerState::Open) == "OPEN");
    CHECK(to_text(BreakerState::HalfOpen) == "HALF_OPEN");
    CHECK(to_text(BreakerOperation::Connect) == "connect");
    CHECK(to_text(BreakerOperation::Auth) == "auth");
    CHECK(to_text(BreakerOperation::Query) == "query");
}

TEST_CASE("odd options make no trouble") {
    Fixture f;
    f.options.backoff = Duration(0);
    f.options.backoff_max = Duration(-1);
    f.options.forgive = Duration(0);
    f.options.consecutive = 1;
    f.breaker.configure(f.options);
    for (int i = 0; i < 50; ++i) {
        REQUIRE(f.fail());
        CHECK(*f.breaker.next_probe_in(f.now) <= Duration(1));
        f.close();
    }
}

TEST_CASE("random events never break an invariant") {
    for (uint64_t seed = 1; seed <= 200; ++seed) {
        Prng random(seed);
        BreakerOptions options;
        options.needs_probe = random.chance(70);
        CircuitBreaker breaker(options, random);
        Instant now{1'000'000'000};
        int trials = 0;
        for (int step = 0; step < 500; ++step) {
            now.us += static_cast<int64_t>(random.below(random.chance(2) ? 1ULL << 45 : 900'000));
            const BreakerState before = breaker.state();
            std::optional<BreakerTransition> moved;
            switch (random.below(7)) {
                case 0: moved = breaker.tick(now); break;
                case 1: moved = breaker.on_probe(random.chance(60), now, "p"); break;
                case 2: {
                    const Permit permit = breaker.ask(now);
                    if (breaker.state() == BreakerState::Open) REQUIRE(permit == Permit::Refuse);
                    if (permit != Permit::Trial) break;
                    REQUIRE(breaker.ask(now) == Permit::Refuse);
                    ++trials;
                    moved = breaker.on_trial(
                        random.chance(80) ? Evidence::Success : Evidence::LocalFailure, now, "t");
                    break;
                }
                case 3:
                    if (!random.chance(5)) break;
                    moved = random.chance(50)
                                ? breaker.reset(now)
                                : breaker.force(static_cast<BreakerForce>(random.below(3)), now);
                    break;
                default: moved = breaker.on_outcome(static_cast<Outcome>(random.below(20)), now);
            }
            CAPTURE(seed);
            REQUIRE(moved.has_value() == (before != breaker.state()));
            if (moved) REQUIRE(moved->to == breaker.state());
            const auto pause = breaker.next_probe_in(now);
            if (pause) REQUIRE(*pause <= seconds(36));
            REQUIRE(breaker.level() <= 5);
        }
    }
}

}  // namespace
}  // namespace weir
