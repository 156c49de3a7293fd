// Goal: an endpoint leaves service for each of the reasons there are and for no other, comes back
// carefully, obeys operators and limits, and can tell why. Method: hand-made instants and seeds;
// random events with invariants at the end.
#include "health/endpoint_health.h"

#include <doctest/doctest.h>

#include <vector>

namespace weir::endpoint_health_test {
namespace {

using doctest::Approx;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{1'000'000'000};
constexpr RoleView kFree{};
const RoleView kHeldBack{.best_latency = {}, .may_eject = false};

struct Fixture {
    HealthOptions options;
    Prng random{1};
    Instant now = kStart;
    EndpointHealth health{options, random, kStart};

    std::optional<Transition> outcome(Outcome what) { return health.on_outcome(what, now, kFree); }
    std::optional<Transition> outcomes(Outcome what, int count) {
        std::optional<Transition> last;
        for (int i = 0; i < count; ++i)
            last = outcome(what);
        return last;
    }
    std::optional<Transition> probe(Outcome what = Outcome::Success) {
        ProbeResult result;
        result.outcome = what;
        result.sent_at = now;
        result.round_trip = milliseconds(1);
        return health.on_probe(result, now, kFree);
    }
    std::optional<Transition> replica_probe(Duration delay) {
        ProbeResult result;
        result.outcome = Outcome::Success;
        result.sent_at = now;
        result.round_trip = milliseconds(1);
        result.is_in_recovery = true;
        result.replay_delay = delay;
        return health.on_probe(result, now, kFree);
    }
    std::optional<Transition> wait(Duration time) {
        now = now + time;
        return health.tick(now, kFree);
    }
    void eject() { REQUIRE(outcomes(Outcome::ConnectRefused, 5)); }
    // To the end of the ejection: HALF_OPEN.
    void sit_out() {
        now = health.ejected_until();
        REQUIRE(health.tick(now, kFree));
        REQUIRE(health.state() == HealthState::HalfOpen);
    }
    std::optional<Transition> trial(Outcome what) {
        REQUIRE(health.try_take_trial(now));
        return health.on_trial(what, now, kFree);
    }
    void recover() {
        sit_out();
        for (int i = 0; i < 3; ++i)
            trial(Outcome::Success);
        REQUIRE(health.state() == HealthState::Up);
    }
};

TEST_CASE("an endpoint starts up, with full weight and a reason") {
    Fixture f;
    CHECK(f.health.state() == HealthState::Up);
    CHECK(f.health.weight() == 1);
    CHECK(f.health.reason() == "start");
    CHECK(f.health.since() == kStart);
    CHECK(f.health.history_size() == 1);
    CHECK_FALSE(f.wait(seconds(3600)));
}

TEST_CASE("the fifth local-origin failure in a row ejects") {
    Fixture f;
    for (int i = 0; i < 4; ++i) {
        const auto moved = f.outcome(Outcome::ConnectRefused);
        if (moved) CHECK(moved->to == HealthState::Degraded);
    }
    const auto moved = f.outcome(Outcome::ConnectRefused);
    REQUIRE(moved);
    CHECK(moved->to == HealthState::Ejected);
    CHECK(moved->at == f.now);
    CHECK(moved->reason == "5 consecutive failures: connect refused");
    CHECK(f.health.reason() == moved->reason);
    CHECK(f.health.weight() == 0);
    CHECK(f.health.panic_weight() > 0);
    CHECK(f.health.ejections() == 1);
}

TEST_CASE("an answer between ends the row, also one of failure") {
    for (const Outcome between : {Outcome::Success, Outcome::ServerError}) {
        Fixture f;
        f.outcomes(Outcome::ConnectionLost, 4);
        f.outcome(between);
        f.outcomes(Outcome::ConnectionLost, 4);
        CHECK(f.health.state() != HealthState::Ejected);
    }
}

TEST_CASE("no evidence changes nothing, however much of it") {
    Fixture f;
    for (const Outcome outcome :
         {Outcome::CapacitySignal, Outcome::CredentialFailure, Outcome::CheckoutTimeout,
          Outcome::QueueTimeout, Outcome::ClientCancel, Outcome::StatementTimeout,
          Outcome::SqlError}) {
        CHECK_FALSE(f.outcomes(outcome, 1000));
        CHECK_FALSE(f.probe(outcome));
    }
    f.wait(seconds(1));
    CHECK(f.health.state() == HealthState::Up);
    CHECK(f.health.weight() == 1);
}

TEST_CASE("half of twenty outcomes failed within ten seconds ejects, nineteen do not") {
    Fixture f;
    f.health.on_successes(9, f.now);
    for (int i = 0; i < 10; ++i)
        f.outcome(Outcome::ServerError);
    CHECK(f.health.state() != HealthState::Ejected);
    const auto moved = f.outcome(Outcome::ServerError);
    REQUIRE(moved);
    CHECK(moved->to == HealthState::Ejected);
    CHECK(moved->reason == "11 of 20 failed within 10 s: server error");
}

TEST_CASE("three failed probes in a row eject, and a good one shortens that") {
    Fixture f;
    f.probe(Outcome::ProbeTimeout);
    f.probe();
    f.probe(Outcome::ProbeTimeout);
    f.probe(Outcome::ProbeTimeout);
    CHECK(f.health.state() != HealthState::Ejected);
    const auto moved = f.probe(Outcome::ProbeTimeout);
    REQUIRE(moved);
    CHECK(moved->reason == "3 failed probes: probe timeout");
    f.now = f.now + milliseconds(500);
    const auto half = f.probe();
    REQUIRE(half);
    CHECK(half->to == HealthState::HalfOpen);
    // Where only probes failed, good probes count as trials.
    CHECK_FALSE(f.probe());
    CHECK_FALSE(f.probe());
    const auto up = f.probe();
    REQUIRE(up);
    CHECK(up->to == HealthState::Up);
}

TEST_CASE("a good probe does not shorten an ejection that traffic caused") {
    Fixture f;
    f.eject();
    for (int i = 0; i < 20; ++i)
        CHECK_FALSE(f.probe());
    CHECK(f.health.state() == HealthState::Ejected);
    f.sit_out();
    for (int i = 0; i < 20; ++i)
        CHECK_FALSE(f.probe());
    CHECK(f.health.state() == HealthState::HalfOpen);
}

TEST_CASE("57P01 and 57P03 at log-in eject at once") {
    for (const Outcome outcome : {Outcome::ServerShuttingDown, Outcome::ServerStarting}) {
        Fixture f;
        const auto moved = f.outcome(outcome);
        REQUIRE(moved);
        CHECK(moved->to == HealthState::Ejected);
        CHECK(moved->reason == to_text(outcome));
        CHECK_FALSE(f.probe());  // by traffic: no shortening
        CHECK(f.health.state() == HealthState::Ejected);

        Fixture g;
        REQUIRE(g.probe(outcome));
        CHECK(g.health.state() == HealthState::Ejected);
        REQUIRE(g.probe());
        CHECK(g.health.state() == HealthState::HalfOpen);
    }
}

TEST_CASE("an ejection that is not allowed is withheld, counted once, and made up for") {
    Fixture f;
    for (int i = 0; i < 10; ++i)
        f.health.on_outcome(Outcome::ConnectTimeout, f.now, kHeldBack);
    CHECK(f.health.state() == HealthState::Degraded);
    CHECK(f.health.ejections_withheld() == 1);
    CHECK(f.health.weight() > 0);
    const auto moved = f.wait(milliseconds(100));
    REQUIRE(moved);
    CHECK(moved->to == HealthState::Ejected);
    CHECK(f.health.ejections_withheld() == 1);
}

TEST_CASE("the time out grows with each ejection up to its ceiling, with up to 20 % more") {
    Fixture f;
    for (int k = 1; k <= 20; ++k) {
        f.eject();
        const Duration time = f.health.ejected_until() - f.now;
        const Duration base = std::min<Duration>(seconds(5 * k), seconds(60));
        CAPTURE(k);
        CHECK(time >= base);
        CHECK(time <= base + base / 5);
        CHECK(f.health.ejection_level() == static_cast<uint32_t>(std::min(k, 12)));
        f.recover();
    }
    CHECK(f.health.ejections() == 20);
}

TEST_CASE("ten healthy seconds forgive one ejection") {
    Fixture f;
    for (int i = 0; i < 4; ++i) {
        f.eject();
        f.recover();
    }
    CHECK(f.health.ejection_level() == 4);
    f.wait(seconds(10) - Duration(1));
    CHECK(f.health.ejection_level() == 4);
    f.wait(Duration(1));
    CHECK(f.health.ejection_level() == 3);
    f.wait(seconds(19));
    CHECK(f.health.ejection_level() == 2);
    f.wait(seconds(1));
    CHECK(f.health.ejection_level() == 1);
    f.wait(seconds(1'000'000'000));
    CHECK(f.health.ejection_level() == 0);
}

TEST_CASE("time spent ejected forgives nothing") {
    Fixture f;
    f.eject();
    f.wait(seconds(3600));
    CHECK(f.health.state() == HealthState::HalfOpen);
    f.wait(seconds(3600));
    CHECK(f.health.ejection_level() == 1);
}

TEST_CASE("half open lets one trial through at a time, and three make it up with slow start") {
    Fixture f;
    f.eject();
    CHECK_FALSE(f.health.try_take_trial(f.now));
    f.sit_out();
    CHECK(f.health.try_take_trial(f.now));
    CHECK_FALSE(f.health.try_take_trial(f.now));
    CHECK_FALSE(f.health.on_trial(Outcome::Success, f.now, kFree));
    CHECK_FALSE(f.trial(Outcome::SqlError));  // no verdict, but the token is back
    CHECK_FALSE(f.trial(Outcome::Success));
    const auto moved = f.trial(Outcome::Success);
    REQUIRE(moved);
    CHECK(moved->from == HealthState::HalfOpen);
    CHECK(moved->to == HealthState::Up);
    CHECK_FALSE(f.health.try_take_trial(f.now));
    CHECK(f.health.weight() == Approx(0.1));
    f.wait(seconds(15));
    CHECK(f.health.weight() == Approx(0.5));
    f.wait(seconds(15));
    CHECK(f.health.weight() == Approx(1));
    CHECK(f.health.state() == HealthState::Up);
}

TEST_CASE("a failed trial ejects again and for longer, limits or not") {
    Fixture f;
    f.eject();
    f.sit_out();
    f.trial(Outcome::Success);
    REQUIRE(f.health.try_take_trial(f.now));
    const auto moved = f.health.on_trial(Outcome::LoginTimeout, f.now, kHeldBack);
    REQUIRE(moved);
    CHECK(moved->to == HealthState::Ejected);
    CHECK(moved->reason == "trial failed: login timeout");
    CHECK(f.health.ejection_level() == 2);
    CHECK(f.health.ejected_until() - f.now >= seconds(10));
    f.sit_out();
    REQUIRE(f.probe(Outcome::ProbeTimeout));
    CHECK(f.health.state() == HealthState::Ejected);
    f.sit_out();
    REQUIRE(f.outcome(Outcome::ServerStarting));
    CHECK(f.health.state() == HealthState::Ejected);
}

TEST_CASE("what older work reports during half open decides nothing") {
    Fixture f;
    f.eject();
    f.sit_out();
    CHECK_FALSE(f.outcomes(Outcome::ConnectionLost, 50));
    CHECK_FALSE(f.outcomes(Outcome::Success, 50));
    CHECK(f.health.state() == HealthState::HalfOpen);
}

TEST_CASE("a trial that never reports is forgotten, one that reports too late counts as traffic") {
    Fixture f;
    f.eject();
    f.sit_out();
    REQUIRE(f.health.try_take_trial(f.now));
    f.now = f.now + (f.options.trial_timeout - Duration(1));
    CHECK_FALSE(f.health.try_take_trial(f.now));
    f.now = f.now + Duration(1);
    CHECK(f.health.try_take_trial(f.now));
    f.health.on_trial(Outcome::ConnectionLost, f.now, kFree);
    REQUIRE(f.health.state() == HealthState::Ejected);
    CHECK_FALSE(f.health.on_trial(Outcome::Success, f.now, kFree));
    CHECK(f.health.state() == HealthState::Ejected);
}

TEST_CASE("after a recovery old failures do not eject again") {
    Fixture f;
    f.outcomes(Outcome::ServerError, 40);
    REQUIRE(f.health.state() == HealthState::Ejected);
    f.recover();
    CHECK_FALSE(f.wait(seconds(1)));
    f.outcomes(Outcome::ConnectRefused, 4);
    CHECK(f.health.state() != HealthState::Ejected);
}

TEST_CASE("degraded is entered below 0.5 and left at 0.7") {
    Fixture f;
    f.wait(seconds(1));
    f.replica_probe(seconds(5));  // lag factor 0.625
    CHECK(f.health.state() == HealthState::Up);
    f.replica_probe(milliseconds(6500));  // 0.4375
    CHECK(f.health.state() == HealthState::Degraded);
    CHECK(f.health.weight() == Approx(0.4375));
    f.replica_probe(milliseconds(5000));
    for (int i = 0; i < 100; ++i)
        f.wait(seconds(1));
    CHECK(f.health.score().h() == Approx(0.625).epsilon(0.01));
    CHECK(f.health.state() == HealthState::Degraded);
    f.replica_probe(seconds(0));
    int steps = 0;
    while (f.health.state() == HealthState::Degraded && steps < 100) {
        CHECK(f.health.score().h() < 0.7);
        f.wait(milliseconds(100));
        ++steps;
    }
    CHECK(f.health.state() == HealthState::Up);
    CHECK(f.health.score().h() >= 0.7);
    CHECK(f.health.reason() == "health score is back");
}

TEST_CASE("a lagging replica gets no reads until two probes in a row have found it caught up") {
    Fixture f;
    f.wait(seconds(1));
    const auto moved = f.replica_probe(seconds(11));
    REQUIRE(moved);
    CHECK(moved->to == HealthState::Lagging);
    CHECK(f.health.weight() == 0);
    CHECK(f.health.panic_weight() == 0);
    f.replica_probe(seconds(3));  // below the hard limit is not enough
    f.replica_probe(seconds(1));
    f.replica_probe(seconds(3));
    f.replica_probe(seconds(2));
    CHECK(f.health.state() == HealthState::Lagging);
    const auto back = f.replica_probe(seconds(2));
    REQUIRE(back);
    CHECK(back->from == HealthState::Lagging);
    CHECK(is_eligible(back->to));
}

TEST_CASE("a lagging replica that is promoted is no longer lagging") {
    Fixture f;
    f.replica_probe(seconds(11));
    REQUIRE(f.health.state() == HealthState::Lagging);
    f.probe();
    CHECK(f.health.state() != HealthState::Lagging);
}

TEST_CASE("a lagging replica can be ejected and comes back to lagging") {
    Fixture f;
    f.replica_probe(seconds(11));
    f.eject();
    f.recover();
    f.wait(milliseconds(1));
    CHECK(f.health.state() == HealthState::Lagging);
}

TEST_CASE("a replica that has replayed all that the primary wrote has no lag") {
    ProbeResult probe;
    probe.outcome = Outcome::Success;
    probe.is_in_recovery = true;
    probe.replay_delay = seconds(3600);  // nothing was written for an hour
    probe.lsn = 1000;
    CHECK(*lag_of(probe).delay == seconds(3600));
    CHECK_FALSE(lag_of(probe).bytes);
    probe.primary_lsn = 1000;
    CHECK(*lag_of(probe).delay == Duration(0));
    CHECK(*lag_of(probe).bytes == 0);
    probe.primary_lsn = 1500;
    CHECK(*lag_of(probe).delay == seconds(3600));
    CHECK(*lag_of(probe).bytes == 500);
    probe.is_in_recovery = false;
    CHECK_FALSE(lag_of(probe).is_replica);
}

TEST_CASE("operators have the last word") {
    Fixture f;
    REQUIRE(f.health.set_draining(f.now, "DRAIN by admin"));
    CHECK_FALSE(f.health.set_draining(f.now, "again"));
    CHECK(f.health.state() == HealthState::Draining);
    CHECK(f.health.reason() == "DRAIN by admin");
    CHECK(f.health.weight() == 0);
    CHECK(f.health.panic_weight() == 0);
    CHECK_FALSE(f.outcomes(Outcome::ServerStarting, 50));
    CHECK_FALSE(f.probe(Outcome::ProbeTimeout));
    REQUIRE(f.health.set_down(f.now, "DISABLE"));
    CHECK_FALSE(f.health.set_down(f.now, "again"));
    CHECK_FALSE(f.wait(seconds(3600)));
    const auto moved = f.health.enable(f.now, "ENABLE");
    REQUIRE(moved);
    CHECK(moved->from == HealthState::Down);
    CHECK(moved->to == HealthState::Up);
    CHECK(f.health.weight() == Approx(0.1));
    CHECK_FALSE(f.health.enable(f.now, "again"));
    CHECK_FALSE(f.wait(milliseconds(1)));  // what it did while it was down is forgotten
}

TEST_CASE("an operator ends an ejection") {
    Fixture f;
    f.eject();
    REQUIRE(f.health.set_down(f.now, "x"));
    REQUIRE(f.health.enable(f.now, "y"));
    CHECK(f.health.state() == HealthState::Up);
    CHECK(f.health.ejection_level() == 1);
}

TEST_CASE("the last eight transitions are kept, the newest first") {
    Fixture f;
    for (int i = 0; i < 7; ++i) {
        f.now = f.now + seconds(1);
        if (i % 2 == 0) {
            f.health.set_down(f.now, std::to_string(i));
        } else {
            f.health.enable(f.now, std::to_string(i));
        }
    }
    CHECK(f.health.history_size() == 8);
    CHECK(f.health.history(7).reason == "start");
    f.health.enable(f.now, "7");
    CHECK(f.health.history_size() == 8);
    for (size_t age = 0; age < 8; ++age)
        CHECK(f.health.history(age).reason == std::to_string(7 - age));
}

TEST_CASE("probes come every second, twice as often while not up, with jitter") {
    Fixture f;
    for (int i = 0; i < 1000; ++i) {
        const Duration pause = f.health.next_probe_pause();
        if (pause < milliseconds(800) || pause > milliseconds(1200)) FAIL(pause.count());
    }
    f.eject();
    for (int i = 0; i < 1000; ++i) {
        const Duration pause = f.health.next_probe_pause();
        if (pause < milliseconds(400) || pause > milliseconds(600)) FAIL(pause.count());
    }
}

TEST_CASE("thresholds can be changed while it runs, and switched off") {
    Fixture f;
    f.options.ejection_consecutive = 0;
    f.options.ejection_probes = 0;
    f.options.ejection_failure_percent = 0;
    f.options.ejection_forgive = Duration(0);
    f.health.configure(f.options);
    f.outcomes(Outcome::ConnectRefused, 1000);
    for (int i = 0; i < 100; ++i)
        f.probe(Outcome::ProbeTimeout);
    CHECK(f.health.state() == HealthState::Degraded);
    f.options.ejection_consecutive = 10;
    f.health.configure(f.options);
    CHECK(f.wait(milliseconds(1)));
    CHECK(f.health.state() == HealthState::Ejected);
}

TEST_CASE("one slow endpoint among fast ones is degraded, not ejected") {
    Fixture f;
    const RoleView role{.best_latency = {.statement = log_latency(milliseconds(2), f.options)},
                        .may_eject = true};
    for (int i = 0; i < 1000; ++i) {
        f.now = f.now + milliseconds(10);
        f.health.on_successes(1, f.now);
        f.health.on_latency(milliseconds(40), f.now);
        f.health.tick(f.now, role);
    }
    CHECK(f.health.state() == HealthState::Degraded);
    CHECK(f.health.weight() == Approx(1.0 / 16));
    const double mean_log = log_latency(milliseconds(2), f.options);
    for (int i = 0; i < 600; ++i) {
        f.now = f.now + milliseconds(100);
        f.health.on_latencies(mean_log, 10, f.now);
        f.health.tick(f.now, role);
    }
    CHECK(f.health.state() == HealthState::Up);
    CHECK(f.health.weight() == Approx(1).epsilon(0.01));
}

TEST_CASE("random events never break an invariant") {
    for (uint64_t seed = 1; seed <= 100; ++seed) {
        Prng random(seed);
        HealthOptions options;
        Instant now = kStart;
        EndpointHealth health(options, random, now);
        for (int step = 0; step < 400; ++step) {
            now.us += static_cast<int64_t>(random.below(random.chance(2) ? 1ULL << 45 : 1'500'000));
            const HealthState before = health.state();
            const RoleView role{.best_latency = {}, .may_eject = random.chance(80)};
            std::optional<Transition> moved;
            switch (random.below(8)) {
                case 0: moved = health.tick(now, role); break;
                case 1: {
                    ProbeResult probe;
                    probe.outcome = static_cast<Outcome>(random.below(20));
                    probe.round_trip = Duration(static_cast<int64_t>(random.below(2'000'000)));
                    probe.is_in_recovery = random.chance(50);
                    if (random.chance(80)) probe.replay_delay = seconds(random.below(15));
                    moved = health.on_probe(probe, now, role);
                    break;
                }
                case 2:
                    if (health.try_take_trial(now)) {
                        CHECK_FALSE(health.try_take_trial(now));
                        moved = health.on_trial(
                            random.chance(70) ? Outcome::Success : Outcome::ConnectionLost, now,
                            role);
                    }
                    break;
                case 3: {
                    const uint64_t order = random.below(20);
                    if (order == 0) moved = health.set_down(now, "d");
                    if (order == 1) moved = health.set_draining(now, "d");
                    if (order > 10) moved = health.enable(now, "e");
                    break;
                }
                default:
                    moved = health.on_outcome(static_cast<Outcome>(random.below(20)), now, role);
            }
            CAPTURE(seed);
            CAPTURE(step);
            REQUIRE(moved.has_value() == (before != health.state()));
            if (moved) {
                REQUIRE(moved->from == before);
                REQUIRE(moved->to == health.state());
                REQUIRE_FALSE(moved->reason.empty());
            }
            REQUIRE(health.weight() >= 0);
            REQUIRE(health.weight() <= 1);
            REQUIRE(health.ejection_level() <= 12);
            if (health.state() == HealthState::Ejected) {
                REQUIRE(health.ejected_until() - now <= seconds(72));
            }
        }
    }
}

TEST_CASE("states have the names that SHOW prints") {
    CHECK(to_text(HealthState::Up) == "UP");
    CHECK(to_text(HealthState::Degraded) == "DEGRADED");
    CHECK(to_text(HealthState::Ejected) == "EJECTED");
    CHECK(to_text(HealthState::HalfOpen) == "HALF_OPEN");
    CHECK(to_text(HealthState::Lagging) == "LAGGING");
    CHECK(to_text(HealthState::Draining) == "DRAINING");
    CHECK(to_text(HealthState::Down) == "DOWN");
}

}  // namespace
}  // namespace weir::endpoint_health_test
