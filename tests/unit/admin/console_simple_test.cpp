// Goal: the console answers each command by the simple protocol as psql and PgBouncer's tools
// expect it. Method: one message in, exact messages out.
#include <doctest/doctest.h>

#include "console_fixture.h"

namespace weir::console_simple_test {
namespace {

using namespace console_test;
using std::string_literals::operator""s;
using Tags = std::vector<std::string>;
using Calls = std::vector<std::string>;

TEST_CASE("SHOW VERSION is these bytes") {
    Fixture f;
    f.send(query("SHOW VERSION;"));
    const std::string version = "Weir " WEIR_VERSION;
    CHECK(f.sent[1] ==
          message('T', be16(1) + cstring("version") + be32(0) + be16(0) + be32(25) + be16(0xffff) +
                           be32(0xffffffff) + be16(0)) +
              message('D', be16(1) + be32(static_cast<uint32_t>(version.size())) + version) +
              message('C', cstring("SHOW")) + message('Z', "I"));
}

TEST_CASE("commands do what they say and answer with their word") {
    Fixture f;
    const auto run = [&f](std::string_view sql) {
        const Answer answer = f.run(sql);
        CHECK(answer.types == "CZ");
        CHECK(answer.bodies.back() == "I");
        return answer.tags.at(0);
    };
    CHECK(run("PAUSE") == "PAUSE");
    CHECK(run("resume") == "RESUME");
    CHECK(run("pause app") == "PAUSE");
    CHECK(run("RESUME \"app\";") == "RESUME");
    CHECK(run("PAUSE my-db") == "PAUSE");
    CHECK(run("KILL app") == "KILL");
    CHECK(run("KILL") == "KILL");
    CHECK(run("RELOAD") == "RELOAD");
    CHECK(run("SHUTDOWN WAIT_FOR_CLIENTS") == "SHUTDOWN");
    CHECK(run("shutdown wait_for_servers") == "SHUTDOWN");
    CHECK(f.inspector.calls == Calls{"pause *", "resume *", "pause app", "resume app",
                                     "pause my-db", "kill app", "kill *", "reload", "shutdown 2",
                                     "shutdown 1"});
}

TEST_CASE("SHUTDOWN without more ends without an answer") {
    Fixture f;
    CHECK(f.run("SHUTDOWN; SHOW VERSION").types == "");
    CHECK(f.is_closed());
    CHECK(f.inspector.calls == Calls{"shutdown 0"});
    CHECK(f.run("SHOW VERSION").types == "");
}

TEST_CASE("an error of a command is told with its code, and the connection stays") {
    Fixture f;
    f.inspector.next_error = Error("08P01", "no such database: nope");
    f.send(query("PAUSE nope"));
    CHECK(f.sent[1] ==
          message('E', "SERROR\0VERROR\0C08P01\0Mno such database: nope\0\0"s) + message('Z', "I"));
    f.receive();
    for (const char* sql : {"RESUME", "KILL", "SHUTDOWN"}) {
        f.inspector.next_error = Error("08P01", "no");
        CHECK(f.run(sql).error.at('M') == "no");
    }
    CHECK(f.closed.empty());
}

TEST_CASE("a failed RELOAD says so in PgBouncer's words and why in the detail") {
    Fixture f;
    f.inspector.next_error = Error("F0000", "weir.ini:3: unknown parameter: foo");
    const Answer answer = f.run("RELOAD");
    CHECK(answer.types == "EZ");
    CHECK(answer.error.at('C') == "F0000");
    CHECK(answer.error.at('M') == "RELOAD failed, see logs for additional details");
    CHECK(answer.error.at('D') == "weir.ini:3: unknown parameter: foo");
}

TEST_CASE("an unknown command is quoted back") {
    Fixture f;
    const auto refused = [&f](std::string_view sql) {
        const Answer answer = f.run(sql);
        CHECK(answer.types == "EZ");
        CHECK(answer.error.at('S') == "ERROR");
        CHECK(answer.error.at('C') == "08P01");
        return answer.error.at('M');
    };
    CHECK(refused("foo") == "invalid command 'foo', use SHOW HELP;");
    CHECK(refused(" foo bar ;") == "invalid command ' foo bar ;', use SHOW HELP;");
    CHECK(refused("SHOW") == "invalid command 'SHOW', use SHOW HELP;");
    CHECK(refused("SHOW nope") == "invalid command 'SHOW nope', use SHOW HELP;");
    CHECK(refused("SHOW POOLS app") == "invalid command 'SHOW POOLS app', use SHOW HELP;");
    CHECK(refused("SELECT 1") == "invalid command 'SELECT 1', use SHOW HELP;");
    CHECK(refused("\"SET\"") == "invalid command '\"SET\"', use SHOW HELP;");
    CHECK(refused(std::string(199, 'x') + "\xC3\xBC") ==
          "invalid command '" + std::string(199, 'x') + "...', use SHOW HELP;");
    CHECK(refused("PAUSE app other;") == "invalid command 'PAUSE app other;', use SHOW HELP;");
    CHECK(refused("RELOAD now") == "invalid command 'RELOAD now', use SHOW HELP;");
    CHECK(refused("SHUTDOWN later") == "invalid command 'SHUTDOWN later', use SHOW HELP;");
    CHECK(refused("DISABLE") == "a database is required");
    CHECK(refused("KILL_CLIENT") == "invalid client pointer supplied");
    CHECK(refused("PAUSE (") == "invalid command 'PAUSE (', use SHOW HELP;");
    // What stood in front of it has been done.
    const Answer second = f.run("SHOW STATE; bogus; SHOW");
    CHECK(second.types == "TDDDCEZ");
    CHECK(second.error.at('M') == "invalid command 'bogus', use SHOW HELP;");
    // Where, and why.
    CHECK(f.run("PAUSE app other").error.at('D') == "syntax error at character 11, near \"other\"");
    CHECK(f.run("PAUSE (").error.at('D') == "syntax error at character 7, near \"(\"");
    CHECK(f.inspector.calls.empty());
}

TEST_CASE("an empty query is answered as PostgreSQL does") {
    Fixture f;
    CHECK(f.run("").types == "IZ");
    CHECK(f.run(" ; -- nothing").types == "IZ");
}

TEST_CASE("several commands in one query, up to the first that fails") {
    Fixture f;
    Answer answer = f.run("SHOW VERSION; PAUSE; SHOW STATE");
    CHECK(answer.types == "TDCCTDDDCZ");
    CHECK(answer.tags == Tags{"SHOW", "PAUSE", "SHOW"});
    answer = f.run("RESUME; nonsense; PAUSE");
    CHECK(answer.types == "CEZ");
    CHECK(f.run("SHOW VERSION; (").types == "EZ");
    CHECK(f.inspector.calls == Calls{"pause *", "resume *"});
}

TEST_CASE("SELECT asks for the same as SHOW") {
    Fixture f;
    CHECK(f.run("SELECT version").rows == f.run("SHOW VERSION").rows);
}

TEST_CASE("settings that drivers ask about have fixed values, and setting them is ignored") {
    Fixture f;
    const auto shown = [&f](const std::string& name) {
        const Answer answer = f.run("SHOW " + name);
        CHECK(answer.types == "TDCZ");
        return answer.columns.at(0) + "=" + *answer.rows.at(0).at(0);
    };
    CHECK(shown("client_encoding") == "client_encoding=UTF-8");
    CHECK(shown("DateStyle") == "datestyle=ISO");
    CHECK(shown("TIMEZONE") == "timezone=GMT");
    CHECK(shown("standard_conforming_strings") == "standard_conforming_strings=on");
    CHECK(shown("default_transaction_isolation") == "default_transaction_isolation=read committed");
    CHECK(shown("TRANSACTION ISOLATION LEVEL") == "transaction_isolation=read committed");
    CHECK(shown("server_version") == "server_version=1.25.2/weir");
    for (const char* sql : {"SET client_encoding = 'UTF8'", "SET client_encoding TO utf8",
                            "set DateStyle to ISO, MDY", "SET extra_float_digits = 3",
                            "SET SESSION timezone TO 'UTC'", "SET application_name = ''"}) {
        const Answer answer = f.run(sql);
        CHECK(answer.types == "NCZ");
        CHECK(answer.notice ==
              std::map<char, std::string>{
                  {'S', "NOTICE"}, {'V', "NOTICE"}, {'C', "00000"}, {'M', "SET ignored"}});
        CHECK(answer.tags == Tags{"SET"});
    }
}

TEST_CASE("transactions are taken and mean nothing") {
    Fixture f;
    const auto tag = [&f](std::string_view sql) {
        const Answer answer = f.run(sql);
        CHECK(answer.types == "CZ");
        CHECK(answer.bodies.back() == "I");
        return answer.tags.at(0);
    };
    CHECK(tag("BEGIN") == "BEGIN");
    CHECK(tag("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY") == "BEGIN");
    CHECK(tag("START TRANSACTION") == "BEGIN");
    CHECK(tag("COMMIT") == "COMMIT");
    CHECK(tag("END") == "COMMIT");
    CHECK(tag("ROLLBACK") == "ROLLBACK");
    CHECK(tag("ABORT") == "ROLLBACK");
    CHECK(tag("DISCARD ALL") == "DISCARD ALL");
    CHECK(tag("RESET ALL") == "RESET");
    CHECK(tag("DEALLOCATE ALL") == "DEALLOCATE ALL");
    CHECK(tag("DEALLOCATE PREPARE x") == "DEALLOCATE");
}

TEST_CASE("SHOW HELP is a notice that lists what there is") {
    Fixture f;
    const Answer answer = f.run("SHOW HELP");
    CHECK(answer.types == "NCZ");
    CHECK(answer.tags == Tags{"SHOW"});
    CHECK(answer.notice.at('M') == "Console usage");
    const std::string text = answer.notice.at('D');
    for (const char* part :
         {"\n\tSHOW HELP | VERSION", " | STATS_TOTALS", "\n\tRELOAD", "\n\tPAUSE [database]",
          "\n\tSHUTDOWN [WAIT_FOR_SERVERS | WAIT_FOR_CLIENTS]", "FDS", "\n\tSUSPEND",
          "\n\tSET option = value", "\n\tKILL_CLIENT id"}) {
        CAPTURE(part);
        CHECK(text.find(part) != std::string::npos);
    }
    for (const char* part : {"BEGIN", "client_encoding", "\n\tSHOW\n"}) {
        CAPTURE(part);
        CHECK(text.find(part) == std::string::npos);
    }
}

TEST_CASE("the welcome's parameters have a version that drivers can read") {
    Fixture f;
    const auto parameters = f.console.parameters();
    std::map<std::string, std::string> found(parameters.begin(), parameters.end());
    CHECK(found == std::map<std::string, std::string>{{"server_version", "1.25.2/weir"},
                                                      {"client_encoding", "UTF8"},
                                                      {"server_encoding", "UTF8"},
                                                      {"DateStyle", "ISO"},
                                                      {"TimeZone", "GMT"},
                                                      {"standard_conforming_strings", "on"},
                                                      {"is_superuser", "on"},
                                                      {"integer_datetimes", "on"}});
}

TEST_CASE("function calls are refused, COPY messages ignored, Terminate closes") {
    Fixture f;
    CHECK(f.exchange(message('F', be32(1) + be16(0) + be16(0) + be16(0))).types == "EZ");
    CHECK(f.exchange(message('d', "x") + message('c') + message('f', cstring("no"))).types == "");
    CHECK(f.exchange(message('Q', "no end")).types == "EZ");
    CHECK(f.exchange(message('X') + query("SHOW VERSION")).types == "");
    CHECK(f.is_closed());
}

TEST_CASE("what cannot be followed is fatal") {
    Fixture f;
    const auto fatal = [&f](std::string_view bytes, uint32_t slot) {
        f.send(bytes, slot);
        const Answer answer = f.receive(slot);
        CHECK(f.is_closed(slot));
        CHECK(answer.types == "E");
        return answer.error.at('S') + " " + answer.error.at('M');
    };
    CHECK(fatal("x\0\0\0\4"s, 1) == "FATAL invalid message type or length");
    CHECK(fatal("Q\0\0\0\3"s, 2) == "FATAL invalid message type or length");
    CHECK(fatal("Q\0\0\0\12show"s, 3) == "FATAL invalid message type or length");
    CHECK(fatal(message('p', cstring("secret")), 4) == "FATAL unexpected password message");
}

}  // namespace
}  // namespace weir::console_simple_test
