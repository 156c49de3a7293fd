// Goal: answers keep their order whatever waits for whom; PAUSE waits, and ends in each of its
// ways; clients that leave in the middle harm nobody. Method: the fake Inspector holds snapshots
// back and says when it is quiet.
#include <doctest/doctest.h>

#include "console_fixture.h"

namespace weir::console_order_test {
namespace {

using namespace console_test;
using Tags = std::vector<std::string>;
using Calls = std::vector<std::string>;

TEST_CASE("pipelined commands run one at a time") {
    Fixture f;
    f.inspector.snapshots_wait = true;
    f.send(query("SHOW VERSION") + query("SHOW POOLS") + query("PAUSE") + query("SHOW CLIENTS"));
    CHECK(f.receive().types == "TDCZ");
    CHECK(f.inspector.waiting_snapshots.size() == 1);
    CHECK(f.inspector.calls.empty());
    f.send(query("SHOW STATE"));
    CHECK(f.receive().types == "");
    f.inspector.deliver_snapshot();
    Answer answer = f.receive();
    CHECK(answer.types == "TDCZCZ");
    CHECK(answer.tags == Tags{"SHOW", "PAUSE"});
    f.inspector.deliver_snapshot();
    answer = f.receive();
    CHECK(answer.types == "TCZTDDDCZ");
    CHECK(f.inspector.waiting_snapshots.empty());
}

TEST_CASE("clients do not wait for each other") {
    Fixture f;
    f.inspector.snapshots_wait = true;
    f.send(query("SHOW POOLS"), 1);
    f.send(query("SHOW SERVERS"), 2);
    CHECK(f.run("SHOW VERSION", 3).types == "TDCZ");
    auto first = std::move(f.inspector.waiting_snapshots.front());
    f.inspector.waiting_snapshots.pop_front();
    f.inspector.deliver_snapshot();
    CHECK(f.receive(1).types == "");
    CHECK(f.receive(2).types == "TCZ");
    first(f.inspector.picture);
    CHECK(f.receive(1).types == "TDCZ");
    first(f.inspector.picture);  // once more: it is for nobody now
    CHECK(f.receive(1).types == "");
}

TEST_CASE("a client that leaves while its snapshot is on the way") {
    Fixture f;
    f.inspector.snapshots_wait = true;
    f.send(query("SHOW POOLS") + query("PAUSE"));
    f.console.on_disconnect(Fixture::id(1));
    f.send(query("SHOW SERVERS"));  // the same number again
    f.inspector.deliver_snapshot();
    CHECK(f.receive().types == "");
    f.inspector.deliver_snapshot();
    CHECK(f.receive().types == "TCZ");
    CHECK(f.inspector.calls.empty());
    f.console.on_disconnect(Fixture::id(9));  // never heard of
}

TEST_CASE("PAUSE is answered when nothing is running any more") {
    Fixture f;
    f.inspector.quiet = false;
    f.send(query("PAUSE") + query("SHOW STATE"));
    f.console.on_tick(f.inspector.time);
    CHECK(f.receive().types == "");
    CHECK(f.run("SHOW STATE", 2).cell(1, "value") == "yes");
    f.inspector.quiet = true;
    f.console.on_tick(f.inspector.time);
    const Answer answer = f.receive();
    CHECK(answer.types == "CZTDDDCZ");
    CHECK(answer.tags == Tags{"PAUSE", "SHOW"});
}

TEST_CASE("a cancelled PAUSE is undone") {
    Fixture f;
    f.inspector.quiet = false;
    for (const char* sql : {"PAUSE", "PAUSE app"}) {
        f.send(query(sql));
        f.console.on_cancel(Fixture::id(2));  // somebody else's
        CHECK(f.receive().types == "");
        f.console.on_cancel(Fixture::id(1));
        const Answer answer = f.receive();
        CHECK(answer.types == "EZ");
        CHECK(answer.error.at('C') == "57014");
        f.console.on_cancel(Fixture::id(1));  // nothing runs
        CHECK(f.receive().types == "");
    }
    CHECK(f.inspector.calls == Calls{"pause *", "resume *", "pause app", "resume app"});
    CHECK_FALSE(f.inspector.paused);
}

TEST_CASE("PAUSE does not hang when somebody else resumes") {
    Fixture f;
    f.inspector.quiet = false;
    for (const std::string name : {"", " app"}) {
        f.send(query("PAUSE" + name));
        f.console.on_tick(f.inspector.time);
        CHECK(f.receive().types == "");
        CHECK(f.run("RESUME" + name, 2).types == "CZ");
        f.console.on_tick(f.inspector.time);
        const Answer answer = f.receive();
        CHECK(answer.types == "EZ");
        CHECK(answer.error.at('M') == "PAUSE was ended by RESUME");
    }
}

TEST_CASE("the pause stays when its client goes away") {
    Fixture f;
    f.inspector.quiet = false;
    f.send(query("PAUSE"));
    f.console.on_disconnect(Fixture::id(1));
    f.console.on_tick(f.inspector.time);
    CHECK(f.inspector.paused);
    CHECK(f.inspector.calls == Calls{"pause *"});
}

TEST_CASE("PAUSE by the extended protocol waits, too") {
    Fixture f;
    f.inspector.quiet = false;
    CHECK(f.exchange(parse("", "PAUSE") + bind_portal("", "") + execute() + sync()).types == "12");
    f.console.on_cancel(Fixture::id(1));
    CHECK(f.receive().types == "EZ");
    CHECK(f.exchange(bind_portal("", "") + execute() + sync()).types == "2");
    f.inspector.quiet = true;
    f.console.on_tick(f.inspector.time);
    CHECK(f.receive().types == "CZ");
}

TEST_CASE(
    "too much input behind a command that waits is fatal, and the answer that comes later is "
    "dropped") {
    Fixture f;
    f.inspector.snapshots_wait = true;
    f.send(query("SHOW POOLS"));
    const std::string commands = query("SHOW POOLS" + std::string(1024 * 1024, ' '));
    for (int i = 0; i < 7; ++i)
        f.send(commands);
    CHECK_FALSE(f.is_closed());
    f.send(commands);
    CHECK(f.is_closed());
    CHECK(f.receive().error.at('M') == "too many commands are waiting");
    f.inspector.deliver_snapshot();
    f.send(query("SHOW STATE"));
    CHECK(f.receive().types == "");
    CHECK(f.closed.size() == 1);
}

}  // namespace
}  // namespace weir::console_order_test
