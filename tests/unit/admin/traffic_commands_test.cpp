// Goal: the commands that stop and start the traffic call what they should, refuse what PgBouncer
// refuses in its words, and those that wait end in each of their ways. Method: the fake Inspector
// tells what was called and what it waits for.
#include <doctest/doctest.h>

#include "console_fixture.h"

namespace weir::traffic_commands_test {
namespace {

using namespace console_test;
using Calls = std::vector<std::string>;
using Tags = std::vector<std::string>;

std::string refused(Fixture& f, const std::string& sql, bool is_admin = true) {
    const Answer answer = f.run(sql, is_admin ? 1 : 2, is_admin);
    CHECK(answer.types == "EZ");
    return answer.error.at('C') + " " + answer.error.at('M');
}

TEST_CASE("each command does what its name says") {
    Fixture f;
    const auto tag = [&f](const std::string& sql) { return f.run(sql).tags.at(0); };
    CHECK(tag("DISABLE app") == "DISABLE");
    CHECK(tag("enable \"my-db\";") == "ENABLE");
    CHECK(tag("RECONNECT") == "RECONNECT");
    CHECK(tag("RECONNECT app") == "RECONNECT");
    CHECK(tag("KILL") == "KILL");
    CHECK(tag("KILL app") == "KILL");
    CHECK(tag("KILL_CLIENT 12") == "KILL_CLIENT");
    CHECK(tag("WAIT_CLOSE") == "WAIT_CLOSE");
    CHECK(tag("WAIT_CLOSE app") == "WAIT_CLOSE");
    CHECK(tag("SUSPEND") == "SUSPEND");
    CHECK(tag("RESUME") == "RESUME");
    CHECK(f.inspector.calls == Calls{"disable app", "enable my-db", "reconnect *", "reconnect app",
                                     "kill *", "kill app", "kill_client 12", "suspend",
                                     "resume *"});
}

TEST_CASE("the console's own database cannot be stopped, under either of its names") {
    Fixture f;
    for (const std::string name : {"pgbouncer", "weir"}) {
        CHECK(refused(f, "PAUSE " + name) == "08P01 cannot pause admin db: " + name);
        CHECK(refused(f, "KILL " + name) == "08P01 cannot kill admin db: " + name);
        CHECK(refused(f, "DISABLE " + name) == "08P01 cannot disable admin db: " + name);
        CHECK(refused(f, "ENABLE " + name) == "08P01 cannot enable admin db: " + name);
        CHECK(refused(f, "RECONNECT " + name) == "08P01 cannot reconnect admin db: " + name);
        CHECK(refused(f, "WAIT_CLOSE " + name) == "08P01 cannot wait in admin db: " + name);
    }
    CHECK(f.inspector.calls.empty());
    CHECK(refused(f, "WAIT_CLOSE nosuch") == "08P01 no such database: nosuch");
}

TEST_CASE("KILL_CLIENT is for administrators, and wants a number") {
    Fixture f;
    CHECK(refused(f, "KILL_CLIENT 12", false) == "08P01 admin access needed");
    CHECK(refused(f, "KILL_CLIENT", false) == "08P01 admin access needed");
    CHECK(refused(f, "KILL_CLIENT") == "08P01 invalid client pointer supplied");
    CHECK(refused(f, "KILL_CLIENT 0x12") == "08P01 invalid client pointer supplied");
    CHECK(refused(f, "KILL_CLIENT 12a") == "08P01 invalid client pointer supplied");
    CHECK(refused(f, "KILL_CLIENT 99999999999999999999999") ==
          "08P01 invalid client pointer supplied");
    CHECK(f.inspector.calls.empty());
    f.inspector.next_error = Error("08P01", "client not found");
    CHECK(refused(f, "KILL_CLIENT 5") == "08P01 client not found");
}

TEST_CASE("WAIT_CLOSE is answered when the last old connection is gone") {
    Fixture f;
    f.inspector.old_connections = 2;
    f.send(query("WAIT_CLOSE app"));
    f.console.on_tick(f.inspector.time);
    CHECK(f.receive().types.empty());
    f.inspector.old_connections = 0;
    f.console.on_tick(f.inspector.time);
    CHECK(f.receive().tags == Tags{"WAIT_CLOSE"});
    // A RELOAD that takes the database away ends it, too.
    f.inspector.old_connections = 1;
    f.send(query("WAIT_CLOSE app"));
    f.inspector.mutable_config().databases.erase("app");
    f.console.on_tick(f.inspector.time);
    CHECK(f.receive().tags == Tags{"WAIT_CLOSE"});
    CHECK(f.inspector.calls.empty());
}

TEST_CASE("a cancelled WAIT_CLOSE takes nothing back") {
    Fixture f;
    f.inspector.old_connections = 2;
    f.send(query("WAIT_CLOSE"));
    f.console.on_cancel(Fixture::id(1));
    CHECK(f.receive().error.at('C') == "57014");
    CHECK(f.inspector.calls.empty());
}

TEST_CASE("SUSPEND is answered when all is flushed") {
    Fixture f;
    f.inspector.flushed = false;
    f.send(query("SUSPEND"));
    f.console.on_tick(f.inspector.time);
    CHECK(f.receive().types.empty());
    f.inspector.flushed = true;
    f.console.on_tick(f.inspector.time);
    CHECK(f.receive().tags == Tags{"SUSPEND"});
}

TEST_CASE("SUSPEND that waits ends in a RESUME by others, and in one of its own when cancelled") {
    Fixture f;
    f.inspector.flushed = false;
    f.send(query("SUSPEND"));
    CHECK(f.run("RESUME", 3).tags == Tags{"RESUME"});
    f.console.on_tick(f.inspector.time);
    CHECK(f.receive().error.at('M') == "SUSPEND was ended by RESUME");
    f.send(query("SUSPEND"));
    f.console.on_cancel(Fixture::id(1));
    CHECK(f.receive().error.at('C') == "57014");
    CHECK_FALSE(f.inspector.suspended);
}

TEST_CASE("a suspended pooler goes on when the console has no client left") {
    Fixture f;
    CHECK(f.run("SHOW VERSION", 3).tags == Tags{"SHOW"});
    CHECK(f.run("SUSPEND").tags == Tags{"SUSPEND"});
    f.console.on_disconnect(Fixture::id(1));
    f.console.on_tick(f.inspector.time);
    CHECK(f.inspector.suspended);
    f.console.on_disconnect(Fixture::id(3));
    f.console.on_tick(f.inspector.time);
    CHECK_FALSE(f.inspector.suspended);
    CHECK(f.inspector.calls.back() == "resume *");
}

TEST_CASE("a PAUSE that takes long says what it waits for, once") {
    Fixture f;
    f.inspector.quiet = false;
    Waiter waiter;
    waiter.client = Fixture::id(9);
    Pool& pool = f.inspector.pool("app", "bob");
    pool.acquire(waiter, 0, f.inspector.time);
    f.inspector.mutable_config().databases["app"].pool_mode = PoolMode::Transaction;
    f.send(query("PAUSE app"));
    f.console.on_tick(f.inspector.time);
    CHECK(f.receive().types.empty());
    f.console.on_tick(f.inspector.time + std::chrono::seconds(1));
    const Answer told = f.receive();
    CHECK(told.types == "N");
    CHECK(told.notice.at('M') ==
          "PAUSE waits for 1 server connections that are in use; cancel it to resume, or KILL what "
          "it waits for");
    CHECK(told.notice.at('D').starts_with("app/bob: 1, until their "));
    f.console.on_tick(f.inspector.time + std::chrono::seconds(5));
    CHECK(f.receive().types.empty());
    f.inspector.quiet = true;
    f.console.on_tick(f.inspector.time + std::chrono::seconds(6));
    CHECK(f.receive().tags == Tags{"PAUSE"});
    CHECK(pool.leave(waiter, f.inspector.time));
}

TEST_CASE("SET changes an option, and says no more than PgBouncer when it cannot") {
    Fixture f;
    CHECK(f.run("SET default_pool_size = 5").tags == Tags{"SET default_pool_size=5"});
    CHECK(f.run("set server_reset_query to 'select ''x'''").tags ==
          Tags{"SET server_reset_query=select 'x'"});
    CHECK(f.run("SET auth_user = ''").tags == Tags{"SET auth_user="});
    CHECK(f.inspector.calls == Calls{"set default_pool_size to 5",
                                     "set server_reset_query to select 'x'", "set auth_user to "});
    f.inspector.next_error = Error("22023", "no such option");
    const Answer answer = f.run("SET bogus = 1");
    CHECK(answer.error.at('C') == "08P01");
    CHECK(answer.error.at('M') == "SET failed");
    CHECK(answer.error.at('D') == "no such option");
    CHECK(refused(f, "SET default_pool_size = 5", false) == "08P01 admin access needed");
}

TEST_CASE("settings that only PostgreSQL has are taken and ignored, by everyone") {
    Fixture f;
    for (const char* name :
         {"client_encoding", "default_transaction_isolation", "standard_conforming_strings",
          "datestyle", "timezone", "extra_float_digits"}) {
        for (const bool is_admin : {true, false}) {
            const Answer set =
                f.run("SET " + std::string(name) + " = 'x'", is_admin ? 1 : 2, is_admin);
            CHECK(set.types == "NCZ");
            CHECK(set.tags == Tags{"SET"});
            CHECK(set.notice.at('M') == "SET ignored");
        }
        CHECK(f.run("SHOW " + std::string(name)).rows.size() == 1);
    }
    CHECK(f.inspector.calls.empty());
}

}  // namespace
}  // namespace weir::traffic_commands_test
