// Goal: what the health thread publishes is what workers read, and what workers report arrives;
// nothing is kept of an endpoint that nobody watches; one trial at a time. Method: by hand.
#include "health/endpoint.h"

#include <doctest/doctest.h>

#include "health/endpoint_table.h"

namespace weir::endpoint_test {
namespace {

constexpr Instant kStart{1'000'000'000};

struct Fixture {
    EventFd wakeup;
    Endpoint endpoint{"10.0.0.1", 5432, 2, wakeup};

    void publish(HealthState state, Role role = Role::Replica) {
        EndpointVerdict verdict;
        verdict.state = state;
        verdict.role = role;
        verdict.is_watched = true;
        verdict.weight = 0.25F;
        endpoint.publish(verdict, EndpointPosition());
    }
};

}  // namespace

TEST_CASE("an endpoint that nobody watches takes work at full weight and keeps no reports") {
    Fixture f;
    CHECK(f.endpoint.verdict() == EndpointVerdict());
    CHECK(takes_work(f.endpoint.verdict()));
    f.endpoint.report_success(0);
    f.endpoint.report_login(0);
    f.endpoint.report_latency(0, std::chrono::milliseconds(5));
    f.endpoint.report_failure(Outcome::ConnectionLost, kStart);
    f.endpoint.note_hot_standby(true, kStart);
    const Intake::Batch batch = f.endpoint.drain();
    CHECK(batch.successes == 0);
    CHECK(batch.latencies == 0);
    CHECK(batch.events.empty());
}

TEST_CASE("a verdict is read as it was published, for every state and role") {
    Fixture f;
    for (const HealthState state :
         {HealthState::Up, HealthState::Degraded, HealthState::Ejected, HealthState::HalfOpen,
          HealthState::Lagging, HealthState::Draining, HealthState::Down}) {
        for (const Role role : {Role::Unknown, Role::Primary, Role::Replica}) {
            for (unsigned bits = 0; bits < 32; ++bits) {
                const EndpointVerdict verdict{.state = state,
                                              .role = role,
                                              .is_panic = (bits & 1) != 0,
                                              .is_probed = (bits & 2) != 0,
                                              .is_watched = (bits & 4) != 0,
                                              .weight = 0.1F,
                                              .is_open = (bits & 8) != 0,
                                              .is_connect_open = (bits & 16) != 0};
                f.endpoint.publish(verdict, EndpointPosition());
                CHECK(f.endpoint.verdict() == verdict);
            }
        }
    }
}

TEST_CASE("routes change with state and role, not with the weight") {
    Fixture f;
    EndpointVerdict verdict;
    CHECK_FALSE(f.endpoint.publish(verdict, EndpointPosition()));
    verdict.weight = 0.5F;
    CHECK_FALSE(f.endpoint.publish(verdict, EndpointPosition()));
    CHECK(f.endpoint.verdict().weight == 0.5F);
    const uint32_t version = f.endpoint.version();
    verdict.role = Role::Primary;
    CHECK(f.endpoint.publish(verdict, EndpointPosition()));
    CHECK(f.endpoint.version() == version + 1);
    verdict.is_open = true;
    CHECK(f.endpoint.publish(verdict, EndpointPosition()));
    CHECK_FALSE(takes_work(verdict));
    verdict.is_connect_open = true;
    CHECK(f.endpoint.publish(verdict, EndpointPosition()));
}

TEST_CASE("routes change when an endpoint becomes sick, or well again") {
    Fixture f;
    EndpointVerdict verdict{.state = HealthState::Degraded, .weight = 0.5F};
    CHECK(f.endpoint.publish(verdict, EndpointPosition()));
    verdict.weight = 0.05F;
    REQUIRE(is_sick(verdict));
    CHECK(f.endpoint.publish(verdict, EndpointPosition()));
    verdict.weight = 0.04F;
    CHECK_FALSE(f.endpoint.publish(verdict, EndpointPosition()));
    verdict.weight = 0.2F;
    CHECK(f.endpoint.publish(verdict, EndpointPosition()));
    verdict = {.state = HealthState::Up, .weight = 0.05F};  // on its way back: slow start
    CHECK_FALSE(is_sick(verdict));
}

TEST_CASE("the position is read as published, unknown stays unknown") {
    Fixture f;
    CHECK_FALSE(f.endpoint.position().lag.has_value());
    f.endpoint.publish({}, {std::chrono::seconds(3), 77, 100, 177});
    CHECK(f.endpoint.position().lag == std::chrono::seconds(3));
    CHECK(f.endpoint.position().lag_bytes == 77);
    CHECK(f.endpoint.position().lsn == 100);
    CHECK(f.endpoint.position().primary_lsn == 177);
}

TEST_CASE("a failure wakes the health thread, once until it has looked") {
    Fixture f;
    f.wakeup.open();
    f.publish(HealthState::Up);
    f.endpoint.report_failure(Outcome::SqlError, kStart);  // no evidence
    f.endpoint.report_failure(Outcome::Success, kStart);   // is to be counted, not queued
    CHECK(f.endpoint.drain().events.empty());
    f.endpoint.report_failure(Outcome::ConnectRefused, kStart);
    const Intake::Batch batch = f.endpoint.drain();
    REQUIRE(batch.events.size() == 1);
    CHECK(batch.events[0].outcome == Outcome::ConnectRefused);
    CHECK(batch.events[0].at == kStart);
}

TEST_CASE("in_hot_standby is queued when it is news or contradicts the role") {
    Fixture f;
    f.publish(HealthState::Up, Role::Replica);
    f.endpoint.note_hot_standby(true, kStart);
    CHECK(f.endpoint.drain().events.size() == 1);
    f.endpoint.note_hot_standby(true, kStart);
    CHECK(f.endpoint.drain().events.empty());
    f.endpoint.note_hot_standby(false, kStart);
    f.endpoint.note_hot_standby(false, kStart);  // still no primary: said again
    CHECK(f.endpoint.drain().events.size() == 2);
    f.publish(HealthState::Up, Role::Primary);
    f.endpoint.note_hot_standby(false, kStart);
    CHECK(f.endpoint.drain().events.empty());
}

TEST_CASE("a trial is given to one caller, until it is redeemed or has lapsed") {
    Fixture f;
    f.publish(HealthState::Up);
    CHECK_FALSE(f.endpoint.try_take_trial(kStart));
    f.publish(HealthState::HalfOpen);
    const auto ticket = f.endpoint.try_take_trial(kStart);
    REQUIRE(ticket);
    CHECK_FALSE(f.endpoint.try_take_trial(kStart + std::chrono::seconds(1)));
    f.endpoint.report_trial(*ticket, Outcome::Success, kStart);
    CHECK_FALSE(f.endpoint.try_take_trial(kStart + std::chrono::seconds(2)));
    REQUIRE(f.endpoint.drain().events.size() == 1);
    CHECK(f.endpoint.redeem(ticket->taken_at));
    const auto second = f.endpoint.try_take_trial(kStart + std::chrono::seconds(3));
    REQUIRE(second);
    const auto third = f.endpoint.try_take_trial(kStart + std::chrono::seconds(18));
    REQUIRE(third);  // the second one lapsed, and is not redeemed in place of the third
    CHECK_FALSE(f.endpoint.redeem(second->taken_at));
    CHECK(f.endpoint.redeem(third->taken_at));
}

TEST_CASE("counters never read as below zero, the operator's weight goes first") {
    Fixture f;
    f.endpoint.add_in_use(2);
    f.endpoint.add_in_use(-3);
    f.endpoint.add_waiting(4);
    CHECK(f.endpoint.in_use() == 0);
    CHECK(f.endpoint.waiting() == 4);
    CHECK(f.endpoint.base_weight(3) == 3);
    f.endpoint.set_weight(0);
    CHECK(f.endpoint.base_weight(3) == 0);
    f.endpoint.set_weight(std::nullopt);
    CHECK(f.endpoint.base_weight(3) == 3);
}

TEST_CASE("the table gives one endpoint per address, forever the same") {
    EndpointTable table(1);
    Endpoint& a = table.obtain("a", 5432);
    CHECK(&table.obtain("a", 5433) != &a);
    CHECK(&table.obtain("a", 5432) == &a);
    CHECK(a.address() == "a:5432");
    CHECK(table.obtain("::1", 5432).address() == "[::1]:5432");
    CHECK(table.obtain("/tmp", 5432).address() == "/tmp:5432");
}

TEST_CASE("whether a trial is free is told without taking it") {
    Fixture f;
    f.publish(HealthState::Up);
    CHECK_FALSE(f.endpoint.has_free_trial(kStart));
    f.publish(HealthState::HalfOpen);
    CHECK(f.endpoint.has_free_trial(kStart));
    CHECK(f.endpoint.has_free_trial(kStart));
    REQUIRE(f.endpoint.try_take_trial(kStart));
    CHECK_FALSE(f.endpoint.has_free_trial(kStart + std::chrono::seconds(1)));
    CHECK(f.endpoint.has_free_trial(kStart + std::chrono::seconds(60)));  // it has lapsed
}

}  // namespace weir::endpoint_test
