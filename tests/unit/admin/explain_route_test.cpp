// Goal: EXPLAIN ROUTE tells each step of a decision and each backend's part in it, and leaves no
// trace. Method: a routed database whose verdicts are published by hand.
#include <doctest/doctest.h>

#include "console_fixture.h"

namespace weir::explain_route_test {
namespace {

using console_test::Answer;

struct Fixture : console_test::Fixture {
    Fixture() {
        add("split");
        inspector.mutable_config().global.pool_mode = PoolMode::Transaction;
        publish(0, Role::Primary);
        publish(1, Role::Replica);
        publish(2, Role::Replica);
    }

    DatabaseConfig& add(const std::string& name) {
        inspector.add_database(name);
        DatabaseConfig& database = inspector.mutable_config().databases[name];
        database.has_named_backends = true;
        database.read_write_split = true;
        for (const char* backend : {"pg1", "pg2", "pg3"}) {
            BackendConfig& made = database.backends.emplace_back();
            made.name = backend;
            made.host = std::string("host-") + backend;
        }
        return database;
    }
    PoolGroup& group() { return inspector.pool("split", "app").group(); }
    Endpoint& endpoint(size_t index) { return *group().members().list[index].pool->endpoint(); }
    void publish(size_t index, Role role, HealthState state = HealthState::Up) {
        EndpointVerdict verdict;
        verdict.role = role;
        verdict.state = state;
        verdict.is_probed = verdict.is_watched = true;
        EndpointPosition position;
        position.lsn = 100;
        position.asked_at = inspector.time;
        endpoint(index).publish(verdict, position);
    }
    // "verdict; detail" of a step.
    std::string step(const std::string& name, const std::string& rest) {
        const Answer answer = run("EXPLAIN ROUTE " + rest);
        if (!answer.error.empty()) return answer.error.at('C') + " " + answer.error.at('M');
        auto row = answer.row(name);
        return row["detail"] == "NULL" ? row["verdict"] : row["verdict"] + "; " + row["detail"];
    }
    std::string chosen(const std::string& rest) {
        return run("EXPLAIN ROUTE " + rest).row("chosen")["verdict"];
    }
};

TEST_CASE_FIXTURE(Fixture, "the steps of a read") {
    const Answer answer = run("EXPLAIN ROUTE select 1;");
    CHECK(answer.columns == std::vector<std::string>{"step", "verdict", "detail"});
    CHECK(answer.tags == std::vector<std::string>{"EXPLAIN"});
    std::vector<std::string> steps;
    for (const auto& row : answer.rows)
        steps.push_back(row[0].value());
    CHECK(steps == std::vector<std::string>{"database", "user", "target_session_attrs",
                                            "read_write_split", "hint", "proof", "decision",
                                            "read_your_writes", "backend pg1", "backend pg2",
                                            "backend pg3", "chosen"});
    CHECK(step("database", "select 1") == "split; routed over 3 backends");
    CHECK(step("user", "select 1") == "app; the only one who has logged in");
    CHECK(step("target_session_attrs", "select 1") ==
          "any; the default; a client's own, or its port's, goes before it");
    CHECK(step("read_write_split", "select 1") == "on");
    CHECK(step("hint", "select 1") == "none");
    CHECK(step("proof", "select 1") == "read-only; read-only by proof");
    CHECK(step("decision", "select 1") == "proven_read_only; proven read-only: where reads go");
    CHECK(step("read_your_writes", "select 1") ==
          "time; just after a write: the session has written a short time ago: the primary, for " +
              std::to_string(inspector.config()->global.read_your_writes_time.count() / 1'000'000) +
              " s");
    CHECK(step("backend pg1", "select 1") ==
          "passed over; others are of a better rank; role=primary state=UP weight=100 health=1.00 "
          "outstanding=0 cost=0.01 rank=2 zone=local");
    CHECK(step("backend pg2", "select 1") ==
          "chosen; role=replica state=UP weight=100 health=1.00 outstanding=0 cost=0.01 rank=1 "
          "zone=local");
    CHECK(step("chosen", "select 1") ==
          "pg2, pg3; one of them, by load_balance = weighted_least_outstanding");
}

TEST_CASE_FIXTURE(Fixture, "writes, hints and what is not proven") {
    CHECK(step("proof", "select nextval('s')") ==
          "not proven; calls a function that is volatile or not built in: nextval");
    CHECK(step("decision", "select nextval('s')") ==
          "not_proven; not proven read-only: the primary");
    CHECK(run("EXPLAIN ROUTE select nextval('s')").row("read_your_writes").empty());
    CHECK(chosen("insert into t values (1)") == "pg1");
    CHECK(chosen("select 1; insert into t values (1)") == "pg1");
    CHECK(step("backend pg2", "insert into t values (1)")
              .starts_with("not eligible; its role is not what is wanted; "));
    CHECK(step("hint", "/* weir: primary, fast */ select 1") ==
          "primary; 1 unknown word(s) ignored");
    CHECK(chosen("/* weir: primary */ select 1") == "pg1");
    CHECK(chosen("/* weir: replica */ insert into t values (1)") == "pg2, pg3");
    CHECK(step("proof", "begin read only") == "read-only block; read-only by proof");
    const std::string longer = "select 1 -- " + std::string(20'000, 'x');
    CHECK(step("proof", longer) == "not proven; too long to be looked at");
}

TEST_CASE_FIXTURE(Fixture, "why a backend is not chosen") {
    publish(1, Role::Replica, HealthState::Draining);
    CHECK(
        step("backend pg2", "select 1")
            .starts_with("not eligible; its state takes no new work; role=replica state=DRAINING"));
    CHECK(chosen("select 1") == "pg3");
    publish(1, Role::Replica);
    endpoint(1).add_in_use(3);
    CHECK(step("backend pg2", "select 1").starts_with("passed over; costs more; "));
    CHECK(step("backend pg2", "select 1").find("outstanding=3 cost=0.04") != std::string::npos);
    endpoint(2).set_weight(0);
    CHECK(step("backend pg3", "select 1").starts_with("not eligible; weight 0"));
    CHECK(chosen("select 1") == "pg2");
    publish(0, Role::Unknown);
    CHECK(step("chosen", "insert into t values (1)").starts_with("none; held until a backend"));
}

TEST_CASE_FIXTURE(Fixture, "a trial is told, not taken") {
    publish(1, Role::Replica, HealthState::HalfOpen);
    for (int i = 0; i < 3; ++i)
        CHECK(step("chosen", "select 1") == "pg2; the transaction would be its trial");
    CHECK(step("backend pg3", "select 1").starts_with("passed over; a trial goes before"));
    REQUIRE(endpoint(1).try_take_trial(inspector.time));
    CHECK(chosen("select 1") == "pg3");
    CHECK(step("backend pg2", "select 1")
              .starts_with("not eligible; its state takes no new work; its trial is under way; "));
}

TEST_CASE_FIXTURE(Fixture, "read_your_writes = lsn tells both of its cases") {
    inspector.mutable_config().global.read_your_writes = ReadYourWrites::Lsn;
    CHECK(step("read_your_writes", "select 1") ==
          "lsn; just after a write: the session has written since the last probe of the primary: "
          "the primary; after a write that the last probe has seen: proven read-only: where reads "
          "go");
}

TEST_CASE_FIXTURE(Fixture, "whose word target_session_attrs is, and when nothing is split") {
    DatabaseConfig& database = inspector.mutable_config().databases["split"];
    database.target_session_attrs = TargetSessionAttrs::Standby;
    CHECK(step("target_session_attrs", "select 1").starts_with("standby; of database \"split\"; "));
    CHECK(step("read_write_split", "select 1") == "off; target_session_attrs says where to go");
    CHECK(step("decision", "insert into t values (1)") ==
          "target_session_attrs=standby; role=replica: hints and proofs do not matter");
    CHECK(chosen("insert into t values (1)") == "pg2, pg3");
    UserConfig& user = inspector.mutable_config().users["boss"];
    user.target_session_attrs = TargetSessionAttrs::Any;
    CHECK(step("target_session_attrs", "FOR split USER boss select 1")
              .starts_with("any; of user \"boss\"; "));
    CHECK(step("user", "FOR split USER boss select 1") == "boss; as asked");
    user.pool_mode = PoolMode::Session;
    CHECK(step("read_write_split", "FOR split USER boss select 1") == "off; pool_mode is session");
    database.read_write_split = false;
    inspector.pools().configure(inspector.mutable_config());
    CHECK(step("read_write_split", "select 1") == "off; read_write_split is 0");
}

TEST_CASE_FIXTURE(Fixture, "which database it is about") {
    CHECK(step("chosen", "FOR app select 1") == "127.0.0.1; whatever the statement is");
    CHECK(step("", "FOR nobody select 1") == "08P01 no such database: nobody; use SHOW DATABASES");
    add("another");
    CHECK(step("", "select 1") ==
          "08P01 several databases are routed (another, split); say EXPLAIN ROUTE FOR database "
          "statement");
    CHECK(step("chosen", "FOR another select 1").starts_with("pg2, pg3; "));
    CHECK(step("user", "FOR another select 1") ==
          "NULL; options of users are left out; USER name takes them in");
    inspector.mutable_config().databases.erase("another");
    inspector.mutable_config().databases.erase("split");
    CHECK(step("", "select 1") ==
          "08P01 no database is routed; say EXPLAIN ROUTE FOR database statement");
    CHECK(step("", ";") == "08P01 a statement of SQL is required");
    CHECK(step("", "") == "08P01 a statement of SQL is required");
}

TEST_CASE_FIXTURE(Fixture, "it makes no pools and counts nothing") {
    (void)run("EXPLAIN ROUTE FOR split USER stranger select 1");
    CHECK(inspector.pools().find({"split", "stranger"}) == nullptr);
    const RouteTotals totals = *group().route_totals();
    for (const auto& targets : totals.sent_to) {
        for (const uint64_t count : targets)
            CHECK(count == 0);
    }
    CHECK(inspector.calls.empty());
}

TEST_CASE_FIXTURE(Fixture, "it has rows in the extended protocol, described before they come") {
    using namespace console_test;
    send(parse("", "EXPLAIN ROUTE select 1") + bind_portal("", "") + describe('P') + execute() +
         sync());
    const Answer answer = receive();
    CHECK(answer.error.empty());
    CHECK(answer.columns.size() == 3);
    CHECK(answer.row("proof").at("verdict") == "read-only");
}

TEST_CASE_FIXTURE(Fixture, "SHOW ROUTES has what was counted") {
    RouteCounters& counters = group().route_counters(0);
    counters.sent(RouteReason(SplitReason::ProvenReadOnly), RouteTarget::Replica);
    group().route_counters(1).sent(RouteReason(SplitReason::ProvenReadOnly), RouteTarget::Replica);
    counters.note(RouteEvent::Held);
    const Answer answer = run("SHOW ROUTES");
    CHECK(answer.columns ==
          std::vector<std::string>{"database", "user", "reason", "target", "count"});
    REQUIRE(answer.rows.size() == 1 + RouteCounters::kEvents);
    CHECK(answer.rows[0] ==
          console_test::Texts{"split", "app", "proven_read_only", "replica", "2"});
    CHECK(answer.rows[1] == console_test::Texts{"split", "app", "held", std::nullopt, "1"});
    CHECK(answer.rows[2] == console_test::Texts{"split", "app", "released", std::nullopt, "0"});
    group().database_state().removed.store(true);
    CHECK(run("SHOW ROUTES").rows.empty());
}

TEST_CASE_FIXTURE(Fixture, "SHOW BACKENDS ends in how many transactions each has got") {
    BackendRow row;
    row.name = "pg2";
    row.address = endpoint(1).address();
    inspector.backends.backends = {row};
    CHECK(run("SHOW BACKENDS").row("pg2")["routed"] == "0");
    Pool& pool = *group().members().list[1].pool;
    pool.counters()[0].server_assignments.add(2);
    pool.counters()[1].server_assignments.add(3);
    const Answer answer = run("SHOW BACKENDS");
    CHECK(answer.columns.back() == "routed");
    CHECK(answer.cell(0, "routed") == "5");
}

}  // namespace
}  // namespace weir::explain_route_test
