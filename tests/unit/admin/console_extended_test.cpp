// Goal: drivers that speak only the extended protocol can use the console: the flows of asyncpg,
// pgx, JDBC and psycopg, formats, row limits, and PostgreSQL's errors with skipping to Sync.
// Method: message trains in, exact message types (and some bytes) out.
#include <doctest/doctest.h>

#include "console_fixture.h"

namespace weir::console_extended_test {
namespace {

using namespace console_test;
using std::string_literals::operator""s;
using Tags = std::vector<std::string>;

TEST_CASE("asyncpg: Parse, Describe, Flush; then Bind in binary, Execute, Sync") {
    Fixture f;
    f.send(parse("s1", "SHOW LISTS") + describe('S', "s1") + flush());
    Answer answer = f.receive();
    CHECK(answer.types == "1tT");
    CHECK(answer.bodies[1] == be16(0));
    CHECK(answer.columns == Tags{"list", "items"});
    CHECK(answer.column_types == std::vector<uint32_t>{25, 23});
    CHECK(answer.column_formats == std::vector<uint16_t>{0, 0});
    answer = f.exchange(bind_portal("", "s1", {1}) + execute() + sync());
    CHECK(answer.types == "2DDDDDDDDDDDDDDCZ");
    CHECK(answer.row("databases").empty());  // no description came with it
    CHECK(answer.rows[0] == Texts{"databases", "\0\0\0\3"s});
    CHECK(answer.tags == Tags{"SHOW"});
    answer = f.exchange(bind_portal("", "s1", {0, 1}) + execute() + sync());
    CHECK(answer.rows[0] == Texts{"databases", "\0\0\0\3"s});
    answer = f.exchange(bind_portal("", "s1", {}) + execute() + sync());
    CHECK(answer.rows[0] == Texts{"databases", "3"});
    answer = f.exchange(close('S', "s1") + sync());
    CHECK(answer.types == "3Z");
    CHECK(f.exchange(bind_portal("", "s1") + sync()).error.at('C') == "26000");
}

TEST_CASE("numerics in binary") {
    Fixture f;
    const Answer answer =
        f.exchange(parse("", "SHOW STATS_TOTALS") + bind_portal("", "", {1}) + execute() + sync());
    CHECK(answer.types == "12DCZ");
    CHECK(answer.rows[0][0] == "pgbouncer");
    CHECK(answer.rows[0][3] == be16(1) + be16(0) + be16(0) + be16(0) + be16(1));  // query_count
    CHECK(answer.rows[0][1] == be16(0) + be16(0) + be16(0) + be16(0));
}

TEST_CASE("JDBC and pgx: Bind, Describe of the portal, Execute in one train") {
    Fixture f;
    const Answer answer = f.exchange(parse("", "SHOW STATE") + bind_portal("", "", {0, 1}) +
                                     describe('P') + execute() + sync());
    CHECK(answer.types == "12TDDDCZ");
    CHECK(answer.column_formats == std::vector<uint16_t>{0, 1});
    CHECK(answer.rows[0] == Texts{"active", "yes"});
    CHECK(answer.bodies.back() == "I");
}

TEST_CASE("commands without rows") {
    Fixture f;
    Answer answer = f.exchange(parse("p", "PAUSE app") + describe('S', "p") + bind_portal("", "p") +
                               describe('P') + execute() + sync());
    CHECK(answer.types == "1tn2nCZ");
    CHECK(answer.tags == Tags{"PAUSE"});
    CHECK(f.inspector.calls == Tags{"pause app"});
    answer = f.exchange(parse("", "SHOW HELP") + bind_portal("", "") + describe('P') + execute() +
                        sync());
    CHECK(answer.types == "12nNCZ");
    answer = f.exchange(parse("", "SET client_encoding = 'x'") + bind_portal("", "") + execute() +
                        sync());
    CHECK(answer.types == "12NCZ");
    answer = f.exchange(parse("", " ; ") + describe('S') + bind_portal("", "") + describe('P') +
                        execute() + sync());
    CHECK(answer.types == "1tn2nIZ");
}

TEST_CASE("a row limit suspends the portal, as PostgreSQL even when no row is left") {
    Fixture f;
    const Answer answer =
        f.exchange(parse("", "SHOW STATE") + bind_portal("c", "") + execute("c", 2) +
                   execute("c", 1) + execute("c", 1) + execute("c", 0) + sync());
    CHECK(answer.types == "12DDsDsCCZ");
    CHECK(answer.rows[2] == Texts{"suspended", "no"});
    // Its rows are those of the first Execute.
    CHECK(f.exchange(bind_portal("c", "") + sync() + execute("c") + sync()).types == "2ZEZ");
}

TEST_CASE("an error skips to Sync") {
    Fixture f;
    const auto code = [&f](const std::string& train) {
        const Answer answer = f.exchange(train + parse("", "SHOW VERSION") + execute() + sync());
        CHECK(answer.types.substr(answer.types.size() - 2) == "EZ");
        return answer.error.at('C') + " " + answer.error.at('M');
    };
    CHECK(code(parse("", "nonsense")) == "08P01 invalid command 'nonsense', use SHOW HELP;");
    CHECK(code(parse("", "show (")) == "08P01 invalid command 'show (', use SHOW HELP;");
    CHECK(code(parse("", "SHOW STATE; PAUSE")) ==
          "42601 cannot insert multiple commands into a prepared statement");
    CHECK(code(parse("", "DISABLE")) == "08P01 a database is required");
    CHECK(code(bind_portal("", "nope")) == "26000 prepared statement \"nope\" does not exist");
    CHECK(code(describe('S', "nope")) == "26000 prepared statement \"nope\" does not exist");
    CHECK(code(describe('P', "nope")) == "34000 portal \"nope\" does not exist");
    CHECK(code(execute("nope")) == "34000 portal \"nope\" does not exist");
    CHECK(code(parse("a", "SHOW STATE") + parse("a", "SHOW STATE")) ==
          "42P05 prepared statement \"a\" already exists");
    CHECK(code(bind_portal("c", "a") + bind_portal("c", "a")) ==
          "42P03 portal \"c\" already exists");
    CHECK(code(bind_portal("", "a", {}, {"x"})) ==
          "08P01 bind message supplies 1 parameters, but the statement requires 0");
    CHECK(code(bind_portal("", "a", {2})) == "22023 unsupported format code");
    CHECK(code(bind_portal("", "a", {0, 0, 0})) ==
          "08P01 bind message has 3 result formats but the statement has 2 columns");
    CHECK(code(parse("", "RELOAD") + bind_portal("", "") + execute() + execute()) ==
          "55000 portal \"\" cannot be run");
    f.inspector.next_error = Error("08P01", "no");
    CHECK(code(parse("", "RESUME") + bind_portal("", "") + execute()) == "08P01 no");
    for (const char tag : {'P', 'B', 'D', 'E', 'C'}) {
        CHECK(code(message(tag, "x")).find("08P01 invalid ") == 0);
    }
    CHECK(f.exchange(query("SHOW STATE")).types == "TDDDCZ");
    CHECK(f.closed.empty());
}

TEST_CASE("a Query that comes while errors are skipped is skipped too") {
    Fixture f;
    CHECK(f.exchange(bind_portal("", "nope") + query("PAUSE")).types == "E");
    CHECK(f.exchange(sync()).types == "Z");
    CHECK(f.inspector.calls.empty());
}

TEST_CASE("declared parameter types are told back and must be supplied") {
    Fixture f;
    Answer answer = f.exchange(parse("a", "SHOW STATE", {23, 25}) + describe('S', "a") + sync());
    CHECK(answer.types == "1tTZ");
    CHECK(answer.bodies[1] == be16(2) + be32(23) + be32(25));
    answer = f.exchange(bind_portal("", "a", {}, {"1", "x"}) + execute() + sync());
    CHECK(answer.types == "2DDDCZ");
}

TEST_CASE("unnamed ones are replaced, and Query forgets them; portals live until Sync") {
    Fixture f;
    CHECK(f.exchange(parse("", "SHOW STATE") + parse("", "SHOW VERSION") + bind_portal("", "") +
                     bind_portal("", "") + execute() + sync())
              .types == "1122DCZ");
    CHECK(f.exchange(bind_portal("", "") + sync()).types == "2Z");
    CHECK(f.exchange(execute() + sync()).error.at('C') == "34000");
    f.run("SHOW VERSION");
    CHECK(f.exchange(bind_portal("", "") + sync()).error.at('C') == "26000");
    CHECK(f.exchange(close('S', "never") + close('P', "never") + sync()).types == "33Z");
    CHECK(f.exchange(parse("", "SHOW STATE") + bind_portal("c", "") + close('P', "c") +
                     execute("c") + sync())
              .types == "123EZ");
}

TEST_CASE("after BEGIN a portal can be fetched from in parts") {
    Fixture f;
    f.run("BEGIN");
    const Answer first =
        f.exchange(parse("", "SHOW STATE") + bind_portal("c", "") + execute("c", 2) + sync());
    CHECK(first.types == "12DDsZ");
    CHECK(first.bodies.back() == "I");
    f.run("SHOW VERSION");
    CHECK(f.exchange(execute("c", 2) + sync()).types == "DCZ");
    CHECK(f.exchange(parse("", "COMMIT") + bind_portal("", "") + execute() + sync()).types ==
          "12CZ");
    CHECK(f.exchange(execute("c", 2) + sync()).error.at('C') == "34000");
    // An error ends them, too.
    f.run("BEGIN");
    CHECK(
        f.exchange(parse("", "SHOW STATE") + bind_portal("c", "") + execute("d") + sync()).types ==
        "12EZ");
    CHECK(f.exchange(execute("c") + sync()).types == "EZ");
}

TEST_CASE("DEALLOCATE and DISCARD forget statements of the protocol") {
    Fixture f;
    f.exchange(parse("a", "SHOW STATE") + parse("b", "SHOW STATE") + sync());
    f.run("DEALLOCATE a");
    CHECK(f.exchange(bind_portal("", "a") + sync()).types == "EZ");
    CHECK(f.exchange(bind_portal("", "b") + sync()).types == "2Z");
    f.run("DISCARD ALL");
    CHECK(f.exchange(bind_portal("", "b") + sync()).types == "EZ");
    // One that runs forgets itself without harm.
    f.exchange(parse("d", "DEALLOCATE ALL") + sync());
    CHECK(f.exchange(bind_portal("", "d") + execute() + execute() + sync()).types == "2CEZ");
}

TEST_CASE("there is a limit to statements and portals") {
    Fixture f;
    std::string train;
    for (size_t i = 0; i < ConsoleSession::kStatementsMax; ++i) {
        train += parse("s" + std::to_string(i), "SHOW STATE");
    }
    CHECK(f.exchange(train + sync()).error.empty());
    CHECK(f.exchange(parse("one more", "SHOW STATE") + sync()).error.at('C') == "53400");
    train.clear();
    for (size_t i = 0; i < ConsoleSession::kStatementsMax; ++i)
        train += bind_portal("c" + std::to_string(i), "s1");
    CHECK(f.exchange(train + bind_portal("one more", "s1") + sync()).error.at('M') ==
          "too many portals");
}

TEST_CASE("a SHOW that waits for the workers leaves the portal waiting") {
    Fixture f;
    f.inspector.snapshots_wait = true;
    CHECK(f.exchange(parse("", "SHOW POOLS") + bind_portal("", "") + describe('P') + execute() +
                     sync())
              .types == "12T");
    f.inspector.deliver_snapshot();
    CHECK(f.receive().types == "DCZ");
}

}  // namespace
}  // namespace weir::console_extended_test
