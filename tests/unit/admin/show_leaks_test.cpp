// Goal: SHOW LEAKS and SHOW LEAK_TOTALS put together what the workers found. Method: snapshots made
// up.
#include <doctest/doctest.h>

#include "console_fixture.h"

namespace weir::show_leaks_test {
namespace {

using namespace console_test;
using std::chrono_literals::operator""s;

LeakReport leak(LeakKind kind, Instant since, Instant seen) {
    LeakReport r;
    r.kind = kind;
    r.open = 1;
    r.client_addr = "10.0.0.9:40000";
    r.application_name = "shop";
    r.user = "bob";
    r.database = "app";
    r.server_addr = "10.0.0.1:5432";
    r.server_pid = 4711;
    r.checked_out = r.since = since;
    r.first_seen = r.last_seen = seen;
    r.first_query = "begin";
    r.last_query = "select ?";
    r.digest = 0xabc;
    r.reason = "transaction";
    return r;
}

TEST_CASE("SHOW LEAKS has a row for each leak, those that go on first, with the time so far") {
    Fixture f;
    const Instant now = f.inspector.time;
    LeakReport over = leak(LeakKind::Hold, now + -90s, now + -20s);
    over.state = LeakState::Released;
    over.open = 0;
    over.released_after = 70s;
    f.inspector.picture[0].leaks = {over};
    f.inspector.picture[1].leaks = {leak(LeakKind::IdleTransaction, now + -31s, now + -30s)};
    const Answer answer = f.run("show leaks", 1, false);
    REQUIRE(answer.rows.size() == 2);
    CHECK(answer.cell(0, "kind") == "L1");
    CHECK(answer.cell(0, "name") == "idle in transaction");
    CHECK(answer.cell(0, "state") == "open");
    CHECK(answer.cell(0, "held_ms") == "31000");
    CHECK(answer.cell(0, "released_after_ms") == "NULL");
    CHECK(answer.cell(0, "transaction_ms") == "NULL");
    CHECK(answer.cell(0, "client_addr") == "10.0.0.9:40000");
    CHECK(answer.cell(0, "server_addr") == "10.0.0.1:5432");
    CHECK(answer.cell(0, "server_pid") == "4711");
    CHECK(answer.cell(0, "first_query") == "begin");
    CHECK(answer.cell(0, "last_query") == "select ?");
    CHECK(answer.cell(0, "digest") == "0000000000000abc");
    CHECK(answer.cell(0, "reason") == "transaction");
    CHECK(answer.cell(1, "kind") == "L2");
    CHECK(answer.cell(1, "state") == "released");
    CHECK(answer.cell(1, "held_ms") == "70000");
    CHECK(answer.cell(1, "released_after_ms") == "70000");
}

TEST_CASE("the same leak on two workers is one row") {
    Fixture f;
    const Instant now = f.inspector.time;
    LeakReport mine = leak(LeakKind::Hold, now + -90s, now + -20s);
    mine.count = 3;
    LeakReport theirs = leak(LeakKind::Hold, now + -95s, now + -30s);
    theirs.state = LeakState::Killed;
    theirs.open = 0;
    theirs.first_seen = now + -50s;
    theirs.client_addr = "10.0.0.8:1";
    f.inspector.picture[0].leaks = {mine};
    f.inspector.picture[1].leaks = {theirs};
    const Answer answer = f.run("show leaks");
    REQUIRE(answer.rows.size() == 1);
    CHECK(answer.cell(0, "count") == "4");
    CHECK(answer.cell(0, "open") == "1");
    CHECK(answer.cell(0, "state") == "open");
    CHECK(answer.cell(0, "client_addr") == "10.0.0.9:40000");
}

TEST_CASE("SHOW LEAK_TOTALS counts every kind, found or not") {
    Fixture f;
    f.inspector.picture[0].leak_totals.found = {5, 0, 0, 0, 0, 0, 0, 0, 2};
    f.inspector.picture[1].leak_totals.found = {1, 0, 0, 0, 0, 0, 0, 0, 0};
    f.inspector.picture[1].leak_totals.killed = {1, 0, 0, 0, 0, 0, 0, 0, 0};
    const Answer answer = f.run("show leak_totals");
    REQUIRE(answer.rows.size() == kLeakKinds);
    CHECK(answer.row("L1") == std::map<std::string, std::string>{{"kind", "L1"},
                                                                 {"name", "idle in transaction"},
                                                                 {"found", "6"},
                                                                 {"open", "0"},
                                                                 {"killed", "1"}});
    CHECK(answer.row("L9").at("found") == "2");
    CHECK(answer.row("L6").at("name") == "count mismatch");
}

}  // namespace
}  // namespace weir::show_leaks_test
