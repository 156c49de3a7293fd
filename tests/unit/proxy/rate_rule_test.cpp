// Goal: rules concern whom they say, make keys as they say, decide about connections and logins,
// and outlive a reload. Method: rules by hand, times passed in.
#include "proxy/limits/rate_rule.h"

#include <doctest/doctest.h>

#include "proxy/limits/rate_limiter.h"

namespace weir::rate_rule_test {
namespace {

using std::chrono::seconds;

constexpr Instant kStart{1'000'000'000};
constexpr SipKey kSecret{1, 2};

RateLimitConfig limit(const char* name, RatePoint at, std::vector<RateKeyPart> key, uint64_t rate,
                      int burst = 1) {
    RateLimitConfig config;
    config.name = name;
    config.at = at;
    config.key = std::move(key);
    config.rate_events = rate;
    config.rate_per = seconds(1);
    config.burst = burst;
    return config;
}

RateRulePtr rule(const RateLimitConfig& config) {
    return std::make_shared<const RateRule>(config, kSecret, nullptr);
}

AddressBytes v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    const std::array<uint8_t, 4> bytes{a, b, c, d};
    return AddressBytes::from(std::span<const uint8_t, 4>(bytes));
}

RateSubject somebody() {
    return {v4(10, 0, 0, 1), "app", "shop", "web"};
}

TEST_CASE("keys are made of what the rule names") {
    RateLimitConfig config = limit("x", RatePoint::Transaction, {}, 1);
    CHECK(rule(config)->key_of(somebody()) == "all");
    config.key = {RateKeyPart::User, RateKeyPart::Database, RateKeyPart::ApplicationName};
    CHECK(rule(config)->key_of(somebody()) == "user=app database=shop application_name=web");
    config.key = {RateKeyPart::Address};
    CHECK(rule(config)->key_of(somebody()) == "address=10.0.0.1");
    config.address_prefix4 = 8;
    CHECK(rule(config)->key_of(somebody()) == "address=10.0.0.0/8");
    RateSubject other = somebody();
    std::array<uint8_t, 16> v6{0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 5};
    other.address = AddressBytes::from(std::span<const uint8_t, 16>(v6));
    CHECK(rule(config)->key_of(other) == "address=2001:db8:102:304::/64");
    other.address = {};
    CHECK(rule(config)->key_of(other) == "address=unix");
}

TEST_CASE("the query class makes keys of its own") {
    const auto by_class =
        rule(limit("x", RatePoint::Transaction, {RateKeyPart::User, RateKeyPart::QueryClass}, 1));
    const std::string text = by_class->key_of(somebody());
    CHECK(text == "user=app");
    const uint64_t hash = by_class->hash_of(text);
    const RateKey read = by_class->with_class(hash, text, QueryClass::Read);
    const RateKey ddl = by_class->with_class(hash, text, QueryClass::Ddl);
    CHECK(read.hash != ddl.hash);
    CHECK(by_class->refusal(ddl, RateRule::Limit::Events, seconds(1)).key ==
          "user=app query_class=ddl");
    const auto plain = rule(limit("x", RatePoint::Transaction, {RateKeyPart::User}, 1));
    CHECK(plain->with_class(hash, text, QueryClass::Ddl).hash == hash);
    CHECK(rule(limit("x", RatePoint::Transaction, {RateKeyPart::QueryClass}, 1))
              ->key_of(somebody()) == "all");
}

TEST_CASE("filters say whom a rule concerns") {
    RateLimitConfig config = limit("x", RatePoint::Transaction, {}, 1);
    CHECK(rule(config)->concerns(somebody()));
    config.users = *NameMatchList::parse("!app");
    CHECK_FALSE(rule(config)->concerns(somebody()));
    config.users = *NameMatchList::parse("app");
    config.databases = *NameMatchList::parse("sh*");
    config.application_names = *NameMatchList::parse("web");
    config.addresses = *AddressMatchList::parse("10.0.0.0/8");
    CHECK(rule(config)->concerns(somebody()));
    config.addresses = *AddressMatchList::parse("11.0.0.0/8");
    CHECK_FALSE(rule(config)->concerns(somebody()));
    config.query_classes = {QueryClass::Read, QueryClass::Copy};
    CHECK(rule(config)->concerns(QueryClass::Copy));
    CHECK_FALSE(rule(config)->concerns(QueryClass::Write));
}

TEST_CASE("a refusal tells rule, key, limit and when to come back") {
    RateLimitConfig config = limit("per_user", RatePoint::Login, {RateKeyPart::User}, 2, 3);
    config.bytes_per_second = 1000;
    config.concurrency = 4;
    const auto per_user = rule(config);
    const RateKey key(1, "user=app");
    const Error error =
        per_user->refusal(key, RateRule::Limit::Events, Duration(1001)).error("53300");
    CHECK(error.sqlstate == "53300");
    CHECK(error.message == "rate limit \"per_user\" exceeded");
    CHECK(error.detail ==
          "Rule \"per_user\", key \"user=app\", limit \"2/s, burst 3; 1000 bytes/s\", retry after "
          "2 ms.");
    CHECK(per_user->refusal(key, RateRule::Limit::Concurrency, Duration(0)).limit == "4 at a time");
    config.rate_events = 0;
    CHECK(rule(config)->refusal(key, RateRule::Limit::Events, Duration(0)).limit == "1000 bytes/s");
}

TEST_CASE("arrivals beyond a limit are refused by key, and cost the other limits nothing") {
    const std::vector<RateRulePtr> rules = {
        rule(limit("a_all", RatePoint::Accept, {}, 1, 10)),
        rule(limit("b_address", RatePoint::Accept, {RateKeyPart::Address}, 1, 2))};
    RateSubject one;
    one.address = v4(1, 1, 1, 1);
    CHECK_FALSE(admit_arrival(rules, one, kStart));
    CHECK_FALSE(admit_arrival(rules, one, kStart));
    for (int i = 0; i < 20; ++i) {
        const auto refusal = admit_arrival(rules, one, kStart);
        REQUIRE(refusal);
        CHECK(refusal->rule == "b_address");
        CHECK(refusal->key == "address=1.1.1.1");
        CHECK(refusal->retry_after == seconds(1));
    }
    RateSubject other;
    other.address = v4(1, 1, 1, 2);
    CHECK_FALSE(admit_arrival(rules, other, kStart));
    CHECK(rules[0]->totals().allowed == 3);
    CHECK(rules[0]->totals().rejected == 0);
    CHECK(rules[1]->totals().rejected == 20);
    CHECK_FALSE(admit_arrival(rules, one, kStart + seconds(1)));
}

TEST_CASE("rules that only log let everybody in and count") {
    RateLimitConfig config = limit("dry", RatePoint::Login, {RateKeyPart::User}, 1);
    config.action = RateAction::Log;
    config.users = *NameMatchList::parse("app");
    const std::vector<RateRulePtr> rules = {rule(config)};
    for (int i = 0; i < 5; ++i)
        CHECK_FALSE(admit_arrival(rules, somebody(), kStart));
    RateSubject other = somebody();
    other.user = "other";
    CHECK_FALSE(admit_arrival(rules, other, kStart));
    CHECK(rules[0]->totals().logged == 4);
    CHECK(rules[0]->totals().allowed == 1);
    CHECK(rules[0]->totals().rejected == 0);
    CHECK(rules[0]->table().size() == 1);
}

TEST_CASE("a reload keeps the counts of rules whose keys stay the same") {
    RateLimiter limiter;
    CHECK(limiter.rules()->accept.empty());
    Config config;
    config.rate_limits["l"] = limit("l", RatePoint::Login, {RateKeyPart::User}, 1);
    config.rate_limits["t"] = limit("t", RatePoint::Transaction, {}, 1);
    config.rate_limits["a"] = limit("a", RatePoint::Accept, {}, 1);
    limiter.configure(config);
    const RateRulesPtr before = limiter.rules();
    REQUIRE(before->login.size() == 1);
    REQUIRE(before->transaction.size() == 1);
    REQUIRE(before->accept.size() == 1);
    CHECK_FALSE(admit_arrival(before->login, somebody(), kStart));
    CHECK(admit_arrival(before->login, somebody(), kStart));
    // Nothing has changed: still over the limit.
    limiter.configure(config);
    CHECK(admit_arrival(limiter.rules()->login, somebody(), kStart));
    // A wider limit for the same key goes on with what was counted.
    config.rate_limits["l"].burst = 2;
    limiter.configure(config);
    CHECK_FALSE(admit_arrival(limiter.rules()->login, somebody(), kStart));
    CHECK(admit_arrival(limiter.rules()->login, somebody(), kStart));
    CHECK(limiter.rules()->login[0]->totals().rejected == 3);
    // Another key begins anew; who still holds the old rules is not disturbed.
    config.rate_limits["l"].key = {RateKeyPart::Database};
    limiter.configure(config);
    CHECK(limiter.rules()->login[0]->totals().rejected == 0);
    CHECK_FALSE(admit_arrival(limiter.rules()->login, somebody(), kStart));
    CHECK(admit_arrival(before->login, somebody(), kStart));
    config.rate_limits.clear();
    limiter.configure(config);
    CHECK(limiter.rules()->login.empty());
}

}  // namespace
}  // namespace weir::rate_rule_test
