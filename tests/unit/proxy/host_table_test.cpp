// Goal: HostTable answers literals itself, asks for a name once at a time, hands out addresses in
// turn while they are fresh, and keeps failures for as long as it is told.
// Method: hand-made instants.
#include "proxy/runtime/host_table.h"

#include <doctest/doctest.h>

namespace weir::host_table_test {
namespace {

using Kind = HostTable::Answer::Kind;
constexpr Instant kNow{1'000'000};
constexpr Instant kLater{9'000'000};

TEST_CASE("an address literal needs no table") {
    HostTable table;
    for (const char* ip : {"127.0.0.1", "::1", "2001:db8::7"}) {
        const auto answer = table.lookup(ip, kNow);
        CHECK(answer.kind == Kind::Known);
        CHECK(answer.ip == ip);
        CHECK_FALSE(answer.must_resolve);
    }
    CHECK(table.size() == 0);
}

TEST_CASE("an unknown name is asked for by the first who needs it") {
    HostTable table;
    const auto first = table.lookup("db", kNow);
    CHECK(first.kind == Kind::Pending);
    CHECK(first.must_resolve);
    const auto second = table.lookup("db", kNow);
    CHECK(second.kind == Kind::Pending);
    CHECK_FALSE(second.must_resolve);
    CHECK(table.lookup("other", kNow).must_resolve);
    CHECK(table.size() == 2);
}

TEST_CASE("fresh addresses go round") {
    HostTable table;
    (void)table.put("db", {"10.0.0.1", "10.0.0.2", "10.0.0.3"}, kLater);
    for (const char* ip : {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"}) {
        const auto answer = table.lookup("db", kNow);
        CHECK(answer.kind == Kind::Known);
        CHECK(answer.ip == ip);
        CHECK_FALSE(answer.must_resolve);
    }
    (void)table.put("db", {"10.0.0.9"}, kLater);
    CHECK(table.lookup("db", kNow).ip == "10.0.0.9");
}

TEST_CASE("stale addresses are asked for again, once") {
    HostTable table;
    (void)table.put("db", {"10.0.0.1"}, kNow);
    const auto stale = table.lookup("db", kNow);
    CHECK(stale.must_resolve);
    CHECK(stale.kind == Kind::Pending);
    CHECK_FALSE(table.lookup("db", kNow).must_resolve);
    (void)table.put("db", {"10.0.0.2"}, kLater);
    CHECK(table.lookup("db", kNow).ip == "10.0.0.2");
    CHECK(table.lookup("db", kLater).must_resolve);
}

TEST_CASE("a failure is told until its time is over") {
    HostTable table;
    table.lookup("db", kNow);
    table.put_failure("db", "no such host", kLater);
    const auto failed = table.lookup("db", kNow);
    CHECK(failed.kind == Kind::Failed);
    CHECK(failed.error == "no such host");
    CHECK_FALSE(failed.must_resolve);
    const auto again = table.lookup("db", kLater);
    CHECK(again.kind == Kind::Pending);
    CHECK(again.must_resolve);
    (void)table.put("db", {"10.0.0.1"}, Instant{20'000'000});
    CHECK(table.lookup("db", kLater).kind == Kind::Known);
}

TEST_CASE("a new answer tells which addresses are gone, whatever failed in between") {
    HostTable table;
    CHECK(table.is_current("db", "10.0.0.1"));  // nothing is known against it
    CHECK(table.put("db", {"10.0.0.1", "10.0.0.2"}, kLater).empty());
    CHECK(table.put("db", {"10.0.0.2", "10.0.0.1"}, kLater).empty());
    CHECK(table.put("db", {"10.0.0.2", "10.0.0.3"}, kLater) ==
          std::vector<std::string>{"10.0.0.1"});
    CHECK_FALSE(table.is_current("db", "10.0.0.1"));
    CHECK(table.is_current("db", "10.0.0.3"));
    table.put_failure("db", "server failed", kLater);
    CHECK(table.is_current("db", "10.0.0.3"));
    CHECK(table.put("db", {"10.0.0.9"}, kLater) ==
          std::vector<std::string>{"10.0.0.2", "10.0.0.3"});
}

TEST_CASE("a lookup that is under way is not begun again") {
    HostTable table;
    CHECK(table.begin_lookup("db"));
    CHECK_FALSE(table.begin_lookup("db"));
    CHECK_FALSE(table.lookup("db", kNow).must_resolve);
    (void)table.put("db", {"10.0.0.1"}, kLater);
    CHECK(table.begin_lookup("db"));
    CHECK(table.lookup("db", kNow).ip == "10.0.0.1");  // what is known is used meanwhile
    CHECK(table.rows().size() == 1);
}

}  // namespace
}  // namespace weir::host_table_test
