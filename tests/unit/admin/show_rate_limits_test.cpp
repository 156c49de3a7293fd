// Goal: SHOW RATE_LIMITS tells each limit and what came of it. Method: the console over rules by
// hand.
#include <doctest/doctest.h>

#include "tests/unit/admin/console_fixture.h"

namespace weir::console_test::show_rate_limits_test {
namespace {

constexpr Instant kStart{1'000'000'000};

TEST_CASE("SHOW RATE_LIMITS tells each limit, its counts and its hottest keys") {
    Fixture f;
    CHECK(f.run("SHOW RATE_LIMITS").rows.empty());
    RateLimitConfig logins;
    logins.name = "logins";
    logins.at = RatePoint::Login;
    logins.key = {RateKeyPart::User, RateKeyPart::Database};
    logins.rate_events = 120;
    logins.rate_per = std::chrono::minutes(1);
    RateLimitConfig busy;
    busy.name = "busy";
    busy.at = RatePoint::Transaction;
    busy.concurrency = 5;
    busy.bytes_per_second = 3'000'000'000;
    Config config;
    config.rate_limits = {{"busy", busy}, {"logins", logins}};
    f.inspector.rates.configure(config);
    const RateRulesPtr rules = f.inspector.rates.rules();
    RateSubject subject;
    for (const char* user : {"a", "b", "c", "d", "e", "f", "f", "f"}) {
        subject.user = user;
        subject.database = "app";
        (void)admit_arrival(rules->login, subject, kStart);
    }
    CHECK(rules->transaction[0]->table().hold({1, "all"}, kStart, 5) == RateTable::Hold::Held);

    const Answer answer = f.run("SHOW RATE_LIMITS");
    REQUIRE(answer.rows.size() == 2);
    auto row = answer.row("logins");
    CHECK(row["at"] == "login");
    CHECK(row["key"] == "user, database");
    CHECK(row["rate"] == "120/min");
    CHECK(row["burst"] == "2");
    CHECK(row["concurrency"] == "NULL");
    CHECK(row["bytes_per_second"] == "NULL");
    CHECK(row["action"] == "reject");
    CHECK(row["max_delay_ms"] == "NULL");
    CHECK(row["allowed"] == "7");
    CHECK(row["rejected"] == "1");
    CHECK(row["keys"] == "6");
    CHECK(row["overflowed"] == "0");
    CHECK(row["hottest_keys"].starts_with("user=f database=app 2/1, user="));
    CHECK(std::count(row["hottest_keys"].begin(), row["hottest_keys"].end(), ',') == 4);
    row = answer.row("busy");
    CHECK(row["rate"] == "NULL");
    CHECK(row["burst"] == "NULL");
    CHECK(row["concurrency"] == "5");
    CHECK(row["bytes_per_second"] == "3000000000");
    CHECK(row["action"] == "delay");
    CHECK(row["max_delay_ms"] == "500");
    CHECK(row["hottest_keys"] == "all 0/0 (1)");
    rules->transaction[0]->table().let_go(1);
}

TEST_CASE("SHOW RATE_LIMITS tells what came of wrong passwords, when they are limited") {
    Fixture f;
    AuthFailures& failures = f.inspector.wrong_passwords;
    failures.failed("a", kStart, {2, std::chrono::seconds(60)});
    failures.failed("b", kStart, {2, std::chrono::seconds(60)});
    failures.note_delayed();
    failures.note_refused("a", kStart, {2, std::chrono::seconds(60)});
    CHECK(f.run("SHOW RATE_LIMITS").rows.empty());
    GlobalConfig& global = f.inspector.mutable_config().global;
    global.auth_failures_max = 5;
    auto row = f.run("SHOW RATE_LIMITS").row("auth_failures");
    CHECK(row["at"] == "password");
    CHECK(row["key"] == "address, user");
    CHECK(row["rate"] == "5 failures in 60 s");
    CHECK(row["action"] == "reject");
    CHECK(row["max_delay_ms"] == "NULL");
    CHECK(row["allowed"] == "2");
    CHECK(row["delayed"] == "1");
    CHECK(row["rejected"] == "1");
    CHECK(row["keys"] == "2");
    CHECK(row["overflowed"] == "0");
    global.auth_failures_max = 0;
    global.auth_failure_delay = std::chrono::milliseconds(500);
    row = f.run("SHOW RATE_LIMITS").row("auth_failures");
    CHECK(row["rate"] == "NULL");
    CHECK(row["action"] == "delay");
    CHECK(row["max_delay_ms"] == "500");
}

}  // namespace
}  // namespace weir::console_test::show_rate_limits_test
