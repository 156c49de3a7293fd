// Goal: totals are sums over workers and pools, averages are those of the last full stats_period,
// and the console's own clients count. Method: counters and the clock are moved by hand.
#include <doctest/doctest.h>

#include "console_fixture.h"

namespace weir::show_stats_test {
namespace {

using namespace console_test;
using std::chrono_literals::operator""s;

void pass(Fixture& f, Duration time) {
    f.inspector.time = f.inspector.time + time;
    // What the janitor does of the databases of pools that are awake.
    PoolSet& pools = f.inspector.pools();
    pools.for_each_database([&pools](DatabaseState& state) { pools.note_active(state); });
    f.console.on_tick(f.inspector.time);
}

TEST_CASE("totals are sums over workers and users") {
    Fixture f;
    Pool& bob = f.inspector.pool("app", "bob");
    Pool& eve = f.inspector.pool("app", "eve");
    f.inspector.pool("zoo_is_no_entry", "eve");
    uint64_t n = 1;
    for (Pool* pool : {&bob, &eve}) {
        for (PoolCounters& c : pool->counters()) {
            for (Counter* counter :
                 {&c.server_assignments, &c.transactions, &c.queries, &c.bytes_received,
                  &c.bytes_sent, &c.transaction_us, &c.query_us, &c.wait_us, &c.client_parses,
                  &c.server_parses, &c.binds, &c.client_logins}) {
                counter->add(n);
                n *= 3;
            }
            n = 1 + pool->counters().size();
        }
    }
    const Answer totals = f.run("SHOW STATS_TOTALS");
    REQUIRE(totals.rows.size() == 2);
    Texts expected = {"app"};
    for (uint64_t i = 0, power = 1; i < 12; ++i, power *= 3)
        expected.push_back(std::to_string(power * (1 + 3 * 3)));
    CHECK(totals.rows[0] == expected);
    const Answer stats = f.run("SHOW STATS");
    CHECK(Texts(stats.rows[0].begin(), stats.rows[0].begin() + 13) == expected);
    CHECK(Texts(stats.rows[0].begin() + 13, stats.rows[0].end()) == Texts(12, "0"));
    bob.database_state().removed.store(true);
    CHECK(f.run("SHOW STATS").rows.size() == 1);
}

TEST_CASE("averages are those of the last full period") {
    Fixture f;
    f.inspector.mutable_config().global.stats_period_s = 10;
    PoolCounters& counters = f.inspector.pool("app", "bob").counters()[1];
    counters.queries.add(1000);
    pass(f, 1s);
    counters.queries.add(50);
    counters.query_us.add(4000);
    counters.transactions.add(20);
    counters.transaction_us.add(5000);
    counters.bytes_sent.add(12345);
    counters.wait_us.add(70);
    const auto average = [&f](const char* name) { return f.run("SHOW STATS").cell(0, name); };
    pass(f, 9s);
    CHECK(average("avg_query_count") == "0");  // the period is not over
    pass(f, 1s);
    CHECK(average("avg_query_count") == "5");
    CHECK(average("avg_query_time") == "80");
    CHECK(average("avg_xact_count") == "2");
    CHECK(average("avg_xact_time") == "250");
    CHECK(average("avg_sent") == "1234");
    CHECK(average("avg_wait_time") == "7");
    CHECK(average("avg_recv") == "0");
    counters.queries.add(100000);
    pass(f, 5s);
    CHECK(average("avg_query_count") == "5");
    CHECK(f.run("SHOW STATS_AVERAGES").cell(0, "query_time") == "80");
    pass(f, 15s);
    CHECK(average("avg_query_count") == "5000");
    CHECK(average("avg_query_time") == "0");
    // A database that goes takes its counts along; nothing becomes negative.
    f.inspector.pool("app", "bob").database_state().removed.store(true);
    pass(f, 10s);
    CHECK(f.run("SHOW TOTALS").row("avg_query_count").at("value") == "0");
}

TEST_CASE("SHOW TOTALS is the sum of all databases, name by name") {
    Fixture f;
    f.inspector.pool("app", "bob").counters()[0].bytes_received.add(100);
    f.inspector.pool("my-db", "bob").counters()[1].bytes_received.add(11);
    f.inspector.pool("my-db", "bob").counters()[1].binds.add(4);
    const Answer answer = f.run("SHOW TOTALS");
    REQUIRE(answer.rows.size() == 24);
    CHECK(answer.rows[0] == Texts{"total_server_assignment_count", "0"});
    CHECK(answer.row("total_client_bytes").at("value") == "111");
    CHECK(answer.row("total_ps_bind_count").at("value") == "4");
    CHECK(answer.row("total_query_count").at("value") == "1");  // this one
    CHECK(answer.row("total_client_login_count").at("value") == "1");
    CHECK(answer.rows[23] == Texts{"avg_client_login_count", "0"});
}

TEST_CASE("each client of the console counts once in its own database") {
    Fixture f;
    f.run("SHOW VERSION");
    f.run("SHOW VERSION; PAUSE", 2);
    f.run("nonsense");
    f.send(parse("", "SHOW STATE") + bind_portal("", "") + execute() + sync());
    f.receive();
    const auto row = f.run("SHOW STATS").row("pgbouncer");
    CHECK(row.at("total_query_count") == "2");
    CHECK(row.at("total_xact_count") == "2");
    CHECK(row.at("total_client_login_count") == "2");
    CHECK(row.at("total_received") == "0");
}

}  // namespace
}  // namespace weir::show_stats_test
