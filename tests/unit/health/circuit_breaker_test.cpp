// Goal: the breaker of connects opens for the reasons it has, keeps shut as long as it must, and
// closes when log-ins succeed again. Method: hand-made instants; random events with invariants.
#include "health/circuit_breaker.h"

#include <doctest/doctest.h>

namespace weir::circuit_breaker_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Fixture {
    HealthOptions options;
    Prng random{3};
    CircuitBreaker breaker{options, random};
    Instant now{1'000'000'000};

    std::optional<BreakerTransition> fail(int count = 1) {
        std::optional<BreakerTransition> last;
        for (int i = 0; i < count; ++i)
            last = breaker.on_failure(Outcome::ConnectRefused, now);
        return last;
    }
    Duration pause() const { return breaker.open_until() - now; }
    void open() {
        REQUIRE(fail(5));
        REQUIRE(breaker.state() == BreakerState::Open);
    }
    void half_open() {
        now = breaker.open_until();
        REQUIRE(breaker.tick(now));
        REQUIRE(breaker.state() == BreakerState::HalfOpen);
    }
    void close() {
        half_open();
        REQUIRE(breaker.on_successes(3, now));
        REQUIRE(breaker.state() == BreakerState::Closed);
    }
};

TEST_CASE("five failed log-ins in a row or one final answer open it") {
    Fixture f;
    CHECK(f.breaker.state() == BreakerState::Closed);
    CHECK_FALSE(f.fail(4));
    CHECK_FALSE(f.breaker.on_successes(1, f.now));
    CHECK_FALSE(f.fail(4));
    const auto moved = f.fail();
    REQUIRE(moved);
    CHECK(moved->from == BreakerState::Closed);
    CHECK(moved->to == BreakerState::Open);
    CHECK(moved->reason == "too many failures: connect refused");
    CHECK(f.breaker.last().reason == moved->reason);
    CHECK(f.breaker.last().at == f.now);
    CHECK(f.breaker.opened() == 1);

    Fixture h;
    CHECK_FALSE(h.breaker.on_failure(Outcome::CredentialFailure, h.now));
    CHECK_FALSE(h.breaker.on_failure(Outcome::CapacitySignal, h.now));
    const auto final = h.breaker.on_failure(Outcome::ServerStarting, h.now);
    REQUIRE(final);
    CHECK(final->reason == "server starting up");
}

TEST_CASE("half of twenty log-ins within ten seconds open it") {
    Fixture f;
    f.options.ejection_consecutive = 0;
    f.breaker.configure(f.options);
    CHECK_FALSE(f.breaker.on_successes(10, f.now));
    CHECK_FALSE(f.fail(9));
    CHECK(f.fail());
}

TEST_CASE("the back-off doubles from one second to thirty, with up to 20 % more") {
    Fixture f;
    for (const int expected : {1, 2, 4, 8, 16, 30, 30, 30}) {
        f.open();
        CAPTURE(expected);
        CHECK(f.pause() >= seconds(expected));
        CHECK(f.pause() <= milliseconds(1200 * expected));
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
    CHECK(f.pause() <= milliseconds(1200));
}

TEST_CASE("half open, three log-ins close it and a failure opens it for longer") {
    Fixture f;
    f.open();
    CHECK_FALSE(f.breaker.tick(f.now));
    f.half_open();
    CHECK_FALSE(f.breaker.on_successes(2, f.now));
    auto moved = f.fail();
    REQUIRE(moved);
    CHECK(moved->reason == "failed again: connect refused");
    CHECK(f.pause() >= seconds(2));
    f.half_open();
    CHECK_FALSE(f.breaker.on_successes(2, f.now));
    moved = f.breaker.on_successes(1, f.now);
    REQUIRE(moved);
    CHECK(moved->to == BreakerState::Closed);
    CHECK(moved->reason == "3 log-ins succeeded");
    CHECK_FALSE(f.fail(4));  // the old failures are forgotten
}

TEST_CASE("what was begun before it opened tells nothing") {
    Fixture f;
    f.open();
    const Instant until = f.breaker.open_until();
    CHECK_FALSE(f.breaker.on_successes(100, f.now));
    CHECK_FALSE(f.fail(100));
    CHECK_FALSE(f.breaker.on_failure(Outcome::ServerStarting, f.now));
    CHECK(f.breaker.state() == BreakerState::Open);
    CHECK(f.breaker.open_until() == until);
}

TEST_CASE("a reset forgets everything") {
    Fixture f;
    f.fail(4);
    CHECK_FALSE(f.breaker.reset(f.now, "x"));
    CHECK_FALSE(f.fail(4));
    CHECK(f.fail());
    const auto moved = f.breaker.reset(f.now, "x");
    REQUIRE(moved);
    CHECK(moved->from == BreakerState::Open);
    CHECK(moved->to == BreakerState::Closed);
    CHECK(moved->reason == "x");
    CHECK(f.breaker.level() == 0);
}

TEST_CASE("names of breaker states are those that SHOW prints") {
    CHECK(to_text(BreakerState::Closed) == "CLOSED");
    CHECK(to_text(BreakerState::Open) == "OPEN");
    CHECK(to_text(BreakerState::HalfOpen) == "HALF_OPEN");
}

TEST_CASE("odd options of a breaker make no trouble") {
    Fixture f;
    f.options.breaker_backoff = Duration(0);
    f.options.breaker_backoff_max = Duration(-1);
    f.options.ejection_forgive = Duration(0);
    f.options.ejection_consecutive = 1;
    f.breaker.configure(f.options);
    for (int i = 0; i < 50; ++i) {
        REQUIRE(f.fail());
        CHECK(f.pause() <= Duration(1));
        f.close();
    }
}

TEST_CASE("random events never break an invariant of a breaker") {
    for (uint64_t seed = 1; seed <= 200; ++seed) {
        Prng random(seed);
        CircuitBreaker breaker({}, random);
        Instant now{1'000'000'000};
        for (int step = 0; step < 500; ++step) {
            now.us += static_cast<int64_t>(random.below(random.chance(2) ? 1ULL << 45 : 900'000));
            const BreakerState before = breaker.state();
            const Instant until = breaker.open_until();
            std::optional<BreakerTransition> moved;
            switch (random.below(6)) {
                case 0: moved = breaker.tick(now); break;
                case 1: moved = breaker.on_successes(random.below(4), now); break;
                case 2:
                    if (random.chance(5)) moved = breaker.reset(now, "r");
                    break;
                default: moved = breaker.on_failure(static_cast<Outcome>(random.below(20)), now);
            }
            CAPTURE(seed);
            REQUIRE(moved.has_value() == (before != breaker.state()));
            if (moved) REQUIRE(moved->to == breaker.state());
            if (moved && moved->to == BreakerState::HalfOpen) REQUIRE(now >= until);
            REQUIRE(breaker.open_until() - now <= seconds(36));
            REQUIRE(breaker.level() <= 5);
        }
    }
}

}  // namespace
}  // namespace weir::circuit_breaker_test
