// Goal: SHOW QUERIES, SHOW SLOW and SHOW QUERY_TOTALS tell what insight knows; RESET QUERIES asks
// it to forget, and is not the RESET of drivers. Method: a fake Inspector.
#include <doctest/doctest.h>

#include "tests/unit/admin/console_fixture.h"

namespace weir::console_test::show_queries_test {
namespace {

QueryStats stats() {
    QueryStats s;
    s.database = "app";
    s.user = "u";
    s.digest = 0xabc;
    s.query = "select ?";
    s.calls = 3;
    s.preparations = 1;
    s.errors = 1;
    s.total_us = 600;
    s.max_us = 400;
    s.wait_us = 200;
    s.latency.record(Duration(100), 2);
    s.latency.record(Duration(400), 1);
    s.last_error = {'2', '2', '0', '1', '2'};
    s.first_seen = s.last_seen = Instant{1'000'000'000};
    return s;
}

TEST_CASE("SHOW QUERIES has a row for each digest, and one for those that had to go") {
    Fixture f;
    CHECK(f.run("SHOW QUERIES").rows.empty());
    f.inspector.insight.queries = {stats()};
    f.inspector.insight.others.total_us = 400;
    f.inspector.insight.others.calls = 7;
    f.inspector.insight.totals.evicted = 2;
    const Answer answer = f.run("SHOW QUERIES");
    REQUIRE(answer.rows.size() == 2);
    auto row = answer.row("app");
    CHECK(row["digest"] == "0000000000000abc");
    CHECK(row["percent"] == "60");
    CHECK(row["wait_percent"] == "25");
    CHECK(row["mean_us"] == "150");
    CHECK(row["max_us"] == "400");
    CHECK(row["last_error"] == "22012");
    CHECK(row["query"] == "select ?");
    CHECK(answer.cell(1, "query") == "(others)");
    CHECK(answer.cell(1, "calls") == "7");
    CHECK(answer.cell(1, "user") == "NULL");
    CHECK(answer.cell(1, "digest") == "NULL");
    CHECK(answer.cell(1, "last_error") == "NULL");
}

TEST_CASE("SHOW SLOW tells who asked what, and how it ended") {
    Fixture f;
    SlowQuery slow;
    slow.ended = f.inspector.time;
    slow.duration_us = 2'000'000;
    slow.client.id = 31;
    slow.client.database = "app";
    slow.client.user = "u";
    slow.client.host = "10.0.0.9";
    slow.client.port = 77;
    slow.digest = 1;
    slow.query = "select ?";
    f.inspector.insight.slow = {slow, slow};
    f.inspector.insight.slow[1].client.database = "other";
    f.inspector.insight.slow[1].is_abandoned = true;
    const Answer answer = f.run("SHOW SLOW");
    REQUIRE(answer.rows.size() == 2);
    CHECK(answer.cell(0, "duration_us") == "2000000");
    CHECK(answer.cell(0, "client_addr") == "10.0.0.9:77");
    CHECK(answer.cell(0, "client") == "0x1f");
    CHECK(answer.cell(0, "error") == "NULL");
    CHECK(answer.cell(1, "error") == "abandoned");
    CHECK(answer.cell(1, "query") == "select ?");
}

TEST_CASE("SHOW QUERY_TOTALS tells how good that knowledge is") {
    Fixture f;
    f.inspector.insight.totals.queries = 10;
    f.inspector.insight.totals.dropped = 3;
    const Answer answer = f.run("SHOW QUERY_TOTALS");
    CHECK(answer.row("queries")["value"] == "10");
    CHECK(answer.row("samples_dropped")["value"] == "3");
}

TEST_CASE("RESET QUERIES forgets, and other RESETs are those of drivers") {
    Fixture f;
    CHECK(f.run("RESET QUERIES").tags.at(0) == "RESET");
    CHECK(f.inspector.calls == std::vector<std::string>{"reset queries"});
    CHECK(f.run("RESET application_name").tags.at(0) == "RESET");
    CHECK(f.run("RESET ALL").tags.at(0) == "RESET");
    CHECK(f.inspector.calls.size() == 1);
    CHECK(f.run("RESET QUERIES now").error.size() > 0);
}

}  // namespace
}  // namespace weir::console_test::show_queries_test
