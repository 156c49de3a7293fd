// Goal: SHOW BACKENDS, HEALTH, HEALTH_EVENTS and BREAKERS print what the health room knows, and
// commands about backends reach it, answered when it has answered. Method: hand-made snapshots.
#include <doctest/doctest.h>

#include "console_fixture.h"

namespace weir::show_backends_test {
namespace {

using namespace console_test;
using Calls = std::vector<std::string>;

BackendRow backend(const std::string& name) {
    BackendRow row;
    row.name = name;
    row.host = "10.0.0.1";
    row.port = 5433;
    row.address = "10.0.0.1:5433";
    row.databases = "app,rw";
    row.role = Role::Replica;
    row.weight = 100;
    row.health = 87;
    row.factors = {.error = 0.9, .latency = 0.966, .lag = 1, .warm = 0.5};
    row.in_use = 3;
    row.waiting = 1;
    row.position.lag = std::chrono::milliseconds(1500);
    row.position.lag_bytes = 4096;
    row.timeline = 2;
    row.backend_count = 12;
    row.why = "start";
    row.since = Instant{1'000'000'000};
    row.probed_at = Instant{1'001'000'000};
    row.ejections = 4;
    row.connects.operation = BreakerOperation::Connect;
    row.queries.operation = BreakerOperation::Query;
    return row;
}

TEST_CASE("SHOW BACKENDS prints one row for each") {
    Fixture f;
    f.inspector.backends.backends = {backend("pg1"), BackendRow()};
    auto row = f.run("SHOW BACKENDS").row("pg1");
    CHECK(row["host"] == "10.0.0.1");
    CHECK(row["port"] == "5433");
    CHECK(row["databases"] == "app,rw");
    CHECK(row["zone"] == "NULL");
    CHECK(row["role"] == "replica");
    CHECK(row["state"] == "UP");
    CHECK(row["health"] == "87");
    CHECK(row["err"] == "0.90");
    CHECK(row["lat"] == "0.97");
    CHECK(row["warm"] == "0.50");
    CHECK(row["weight"] == "100");
    CHECK(row["in_use"] == "3");
    CHECK(row["lag_seconds"] == "1.500");
    CHECK(row["lag_bytes"] == "4096");
    CHECK(row["timeline"] == "2");
    CHECK(row["server_connections"] == "12");
    CHECK(row["breaker"] == "CLOSED");
    CHECK(row["connect_breaker"] == "CLOSED");
    CHECK(row["why"] == "start");
    CHECK(row["since"].starts_with("2026-01-3"));
    CHECK(row["probe_error"] == "NULL");
    CHECK(row["ejections"] == "4");
    auto blank = f.run("SHOW BACKENDS").row("");
    for (const char* unknown : {"lag_seconds", "lag_bytes", "timeline", "probed"})
        CHECK(blank[unknown] == "NULL");
}

TEST_CASE("SHOW HEALTH tells score, alerts and the last transitions, SHOW HEALTH_EVENTS all") {
    Fixture f;
    BackendRow row = backend("pg1");
    row.alerts = "several servers claim";
    row.patroni = "replica/running";
    const Instant at{1'000'000'000};
    row.transitions = {{HealthState::HalfOpen, HealthState::Up, at, "3 trials succeeded"},
                       {HealthState::Up, HealthState::Up, at, "start"}};
    f.inspector.backends.backends = {row};
    HealthEvent event;
    event.kind = HealthEvent::Kind::Breaker;
    event.at = at;
    event.backend = "pg1";
    event.from = "CLOSED";
    event.to = "OPEN";
    event.reason = "r";
    event.is_alert = true;
    f.inspector.backends.events = {event};
    auto shown = f.run("SHOW HEALTH").row("pg1");
    CHECK(shown["err"] == "0.90");
    CHECK(shown["alerts"] == "several servers claim");
    CHECK(shown["patroni"] == "replica/running");
    CHECK(shown["last_transitions"].starts_with("HALF_OPEN -> UP 2026-01-3"));
    CHECK(shown["last_transitions"].ends_with("(3 trials succeeded)"));
    const Answer events = f.run("SHOW HEALTH_EVENTS");
    REQUIRE(events.rows.size() == 1);
    CHECK(events.cell(0, "kind") == "breaker");
    CHECK(events.cell(0, "from_state") == "CLOSED");
    CHECK(events.cell(0, "to_state") == "OPEN");
    CHECK(events.cell(0, "address") == "NULL");
    CHECK(events.cell(0, "alert") == "1");
}

TEST_CASE("SHOW BREAKERS prints both of each backend") {
    Fixture f;
    BackendRow row = backend("pg1");
    row.connects.state = BreakerState::Open;
    row.connects.is_in_force = true;
    row.connects.why = "w";
    row.connects.open_until = f.inspector.time + std::chrono::milliseconds(1200);
    row.queries.is_forced = true;
    row.queries.opened = 3;
    f.inspector.backends.backends = {row};
    const Answer answer = f.run("SHOW BREAKERS");
    REQUIRE(answer.rows.size() == 2);
    CHECK(answer.cell(0, "operation") == "connect");
    CHECK(answer.cell(0, "state") == "OPEN");
    CHECK(answer.cell(0, "in_force") == "1");
    CHECK(answer.cell(0, "why") == "w");
    CHECK(answer.cell(0, "next_try_ms") == "1200");
    CHECK(answer.cell(1, "operation") == "query");
    CHECK(answer.cell(1, "forced") == "1");
    CHECK(answer.cell(1, "next_try_ms") == "NULL");
    CHECK(answer.cell(1, "opened") == "3");
}

TEST_CASE("commands about a backend reach the health room") {
    Fixture f;
    const auto tag = [&f](const std::string& sql) { return f.run(sql).tags.at(0); };
    CHECK(tag("DRAIN pg1") == "DRAIN");
    CHECK(tag("disable backend pg1") == "DISABLE");
    CHECK(tag("ENABLE BACKEND \"pg 1\"") == "ENABLE");
    CHECK(tag("BREAKER OPEN pg1") == "BREAKER");
    CHECK(tag("breaker close pg1") == "BREAKER");
    CHECK(tag("breaker reset 10.0.0.1.5433") == "BREAKER");
    CHECK(tag("RESET ROLES pg1") == "RESET");
    CHECK(tag("REWEIGHT pg1 2.5") == "REWEIGHT");
    CHECK(tag("REWEIGHT pg1 default") == "REWEIGHT");
    const auto order = [](HealthRegistry::Order given, const std::string& name) {
        return "order " + std::to_string(static_cast<int>(given)) + " " + name;
    };
    using Order = HealthRegistry::Order;
    CHECK(f.inspector.calls ==
          Calls{order(Order::Drain, "pg1"), order(Order::Down, "pg1"), order(Order::Enable, "pg 1"),
                order(Order::BreakerOpen, "pg1"), order(Order::BreakerClose, "pg1"),
                order(Order::BreakerReset, "10.0.0.1.5433"), order(Order::ResetRoles, "pg1"),
                "reweight pg1 2.500000", "reweight pg1 default"});
}

TEST_CASE("backends are added and removed") {
    Fixture f;
    const auto tag = [&f](const std::string& sql) { return f.run(sql).tags.at(0); };
    CHECK(tag("ADD BACKEND pg4 'host=10.0.0.4 zone=''x y''' TO app") == "ADD BACKEND");
    CHECK(tag("add backend pg5 to \"*\"") == "ADD BACKEND");
    CHECK(tag("REMOVE BACKEND pg4 FROM app") == "REMOVE BACKEND");
    CHECK(tag("remove backend \"10.0.0.1:5432\"") == "REMOVE BACKEND");
    CHECK(f.inspector.calls == Calls{"add pg4 'host=10.0.0.4 zone='x y'' to app", "add pg5 '' to *",
                                     "remove pg4 from app", "remove 10.0.0.1:5432 from all"});
    const auto error = [&f](const std::string& sql) {
        const Answer answer = f.run(sql);
        return answer.error.at('C') + " " + answer.error.at('M');
    };
    f.inspector.next_error = Error("55000", "it is the last one");
    CHECK(error("REMOVE BACKEND pg1") == "55000 it is the last one");
    CHECK(error("ADD BACKEND pg4 'host=h'") == "08P01 a backend and TO database is required");
    const auto detail = [&f](const std::string& sql) { return f.run(sql).error.at('D'); };
    CHECK(detail("ADD BACKEND pg4 'host=h' INTO app") ==
          "syntax error at character 26, near \"INTO\"");
    CHECK(detail("ADD BACKEND pg4 TO app now") == "syntax error at character 24, near \"now\"");
    CHECK(error("ADD BACKEND pg4 TO") == "08P01 a backend and TO database is required");
    CHECK(detail("REMOVE BACKEND pg4 OF app") == "syntax error at character 20, near \"OF\"");
    CHECK(error("REMOVE BACKEND pg4 FROM") == "08P01 a database is required");
    CHECK(error("REMOVE pg4").starts_with("08P01 invalid command"));
}

TEST_CASE("what is wrong with a command about a backend is said") {
    Fixture f;
    const auto error = [&f](const std::string& sql) {
        const Answer answer = f.run(sql);
        return answer.error.at('C') + " " + answer.error.at('M');
    };
    CHECK(error("DRAIN") == "08P01 a backend is required");
    CHECK(error("DRAIN a b") == "08P01 invalid command 'DRAIN a b', use SHOW HELP;");
    CHECK(error("REWEIGHT pg1") == "08P01 a backend and its weight is required");
    CHECK(error("REWEIGHT pg1 5x") ==
          "22023 invalid weight \"5x\": give a number such as 50, or DEFAULT");
    CHECK(error("BREAKER OPEN") == "08P01 invalid command 'BREAKER OPEN', use SHOW HELP;");
    CHECK(error("BREAKER BREAK pg1").starts_with("08P01 invalid command"));
    CHECK(f.run("RESET ROLES").tags.at(0) == "RESET");
    CHECK(f.inspector.calls.empty());
    // PgBouncer's own are about databases.
    CHECK(f.run("DISABLE BACKEND").tags.at(0) == "DISABLE");
    CHECK(f.run("ENABLE app").tags.at(0) == "ENABLE");
    CHECK(f.inspector.calls == std::vector<std::string>{"disable BACKEND", "enable app"});
    f.inspector.next_error = Error("42704", "no such backend");
    CHECK(error("DRAIN nobody") == "42704 no such backend");
}

TEST_CASE("a client is answered in order, late answers to one that is gone are dropped") {
    Fixture f;
    f.inspector.answers_wait = true;
    f.send(query("DRAIN pg1; SHOW BACKENDS; SHOW VERSION"));
    CHECK(f.receive().types.empty());
    f.send(query("SHOW VERSION"), 2);
    CHECK(f.receive(2).tags == std::vector<std::string>{"SHOW"});
    f.inspector.deliver_answer();
    f.inspector.deliver_answer();
    CHECK(f.receive().tags == std::vector<std::string>{"DRAIN", "SHOW", "SHOW"});
    f.send(query("DRAIN pg1"));
    f.console.on_disconnect(Fixture::id(1));
    f.inspector.deliver_answer();
    CHECK(f.receive().types.empty());
}

TEST_CASE("SHOW HELP lists the commands about backends") {
    Fixture f;
    const std::string text = f.run("SHOW HELP").notice.at('D');
    for (const char* line :
         {"\n\tDRAIN backend", "\n\tDISABLE BACKEND backend",
          "\n\tREWEIGHT backend weight | DEFAULT", "\n\tBREAKER OPEN backend",
          "\n\tRESET ROLES backend", "\n\tADD BACKEND backend ['host=... port=...'] TO database",
          "\n\tREMOVE BACKEND backend [FROM database]", "HEALTH_EVENTS", "BREAKERS"}) {
        CAPTURE(line);
        CHECK(text.find(line) != std::string::npos);
    }
}

}  // namespace
}  // namespace weir::show_backends_test
