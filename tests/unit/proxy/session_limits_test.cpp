// Goal: a session's transactions begin when every limit lets them, never hold what they should not,
// and give everything back. Method: rules by hand, times passed in, a random walk.
#include "proxy/limits/session_limits.h"

#include <doctest/doctest.h>

#include <memory>

#include "protocol/base/random.h"

namespace weir::session_limits_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = SessionLimits::Verdict::Kind;

constexpr Instant kStart{1'000'000'000};
constexpr QueryClass kRead = QueryClass::Read;

RateLimitConfig limit(const char* name, RateAction action) {
    RateLimitConfig config;
    config.name = name;
    config.at = RatePoint::Transaction;
    config.action = action;
    return config;
}

RateLimitConfig rate(const char* name, RateAction action, uint64_t per_second, int burst = 1) {
    RateLimitConfig config = limit(name, action);
    config.rate_events = per_second;
    config.rate_per = seconds(1);
    config.burst = burst;
    return config;
}

RateLimitConfig concurrency(const char* name, RateAction action, int most) {
    RateLimitConfig config = limit(name, action);
    config.concurrency = most;
    return config;
}

RateRulePtr rule(const RateLimitConfig& config) {
    return std::make_shared<const RateRule>(config, SipKey{1, 2}, nullptr);
}

RateSubject user(std::string_view name) {
    return {{}, name, "shop", "web"};
}

int held(const RateRule& one) {
    int sum = 0;
    for (const RateTable::HotKey& key : one.table().hottest(100))
        sum += key.held;
    return sum;
}

TEST_CASE("a transaction beyond the rate is refused, with the time to come back") {
    SessionLimits limits;
    const auto r = rule(rate("r", RateAction::Reject, 10));
    limits.set_rules({r}, user("app"));
    CHECK(limits.begin(kStart, kRead).kind == Kind::Go);
    limits.end(kStart);
    const auto refused = limits.begin(kStart + milliseconds(40), kRead);
    CHECK(refused.kind == Kind::Refuse);
    CHECK(refused.refusal.rule == "r");
    CHECK(refused.refusal.key == "all");
    CHECK(refused.refusal.retry_after == milliseconds(60));
    CHECK(limits.begin(kStart + milliseconds(100), kRead).kind == Kind::Go);
    limits.end(kStart);
    CHECK(r->totals().allowed == 2);
    CHECK(r->totals().rejected == 1);
}

TEST_CASE("a delayed transaction waits for its place and gets it, others come behind") {
    const auto r = rule(rate("r", RateAction::Delay, 10));
    SessionLimits one;
    SessionLimits two;
    SessionLimits three;
    for (SessionLimits* it : {&one, &two, &three})
        it->set_rules({r}, user("app"));
    CHECK(one.begin(kStart, kRead).kind == Kind::Go);
    const auto second = two.begin(kStart, kRead);
    CHECK(second.kind == Kind::Wait);
    CHECK(second.again_at == kStart + milliseconds(100));
    CHECK(two.again_at() == second.again_at);
    CHECK(three.begin(kStart, kRead).again_at == kStart + milliseconds(200));
    // Asked too early it waits on; its place stays its own.
    CHECK(two.begin(kStart + milliseconds(50), kRead).again_at == second.again_at);
    CHECK(two.begin(second.again_at, kRead).kind == Kind::Go);
    CHECK(r->totals().delayed == 2);
    CHECK(r->totals().allowed == 2);
}

TEST_CASE("who would have to wait longer than max_delay is refused at once and takes no place") {
    const auto r = rule(rate("r", RateAction::Delay, 1));  // max_delay 500 ms
    SessionLimits limits;
    limits.set_rules({r}, user("app"));
    CHECK(limits.begin(kStart, kRead).kind == Kind::Go);
    limits.end(kStart);
    CHECK(limits.begin(kStart, kRead).kind == Kind::Refuse);
    CHECK(limits.begin(kStart + milliseconds(499), kRead).kind == Kind::Refuse);
    const auto waits = limits.begin(kStart + milliseconds(500), kRead);
    CHECK(waits.kind == Kind::Wait);
    CHECK(waits.again_at == kStart + seconds(1));
}

TEST_CASE("what one rule refuses costs the others nothing") {
    const auto wide = rule(rate("a_wide", RateAction::Reject, 1, 2));
    const auto narrow = rule(rate("b_narrow", RateAction::Reject, 1, 1));
    SessionLimits limits;
    limits.set_rules({wide, narrow}, user("app"));
    CHECK(limits.begin(kStart, kRead).kind == Kind::Go);
    limits.end(kStart);
    for (int i = 0; i < 5; ++i)
        CHECK(limits.begin(kStart, kRead).refusal.rule == "b_narrow");
    limits.set_rules({wide}, user("app"));
    CHECK(limits.begin(kStart, kRead).kind == Kind::Go);
}

TEST_CASE("units of a concurrency are held from begin to end") {
    const auto r = rule(concurrency("c", RateAction::Reject, 2));
    SessionLimits one;
    SessionLimits two;
    auto three = std::make_unique<SessionLimits>();
    for (SessionLimits* it : {&one, &two, three.get()})
        it->set_rules({r}, user("app"));
    CHECK(one.begin(kStart, kRead).kind == Kind::Go);
    CHECK(one.begin(kStart, kRead).kind == Kind::Go);  // already under way
    CHECK(two.begin(kStart, kRead).kind == Kind::Go);
    CHECK(held(*r) == 2);
    const auto refused = three->begin(kStart, kRead);
    CHECK(refused.kind == Kind::Refuse);
    CHECK(refused.refusal.limit == "2 at a time");
    one.end(kStart);
    one.end(kStart);
    CHECK(held(*r) == 1);
    CHECK(three->begin(kStart, kRead).kind == Kind::Go);
    three.reset();  // however a session ends
    CHECK(held(*r) == 1);
    two.end(kStart);
    CHECK(held(*r) == 0);
    CHECK(r->totals().rejected == 1);
}

TEST_CASE("who waits for a unit looks again and again, holds nothing, and gives up in time") {
    const auto a = rule(concurrency("a", RateAction::Delay, 1));
    const auto b = rule(concurrency("b", RateAction::Delay, 1));
    SessionLimits first;
    SessionLimits second;
    first.set_rules({b}, user("app"));
    second.set_rules({a, b}, user("app"));
    CHECK(first.begin(kStart, kRead).kind == Kind::Go);
    Instant now = kStart;
    int looks = 0;
    SessionLimits::Verdict verdict = second.begin(now, kRead);
    for (; verdict.kind == Kind::Wait; verdict = second.begin(now, kRead)) {
        CHECK(held(*a) == 0);
        CHECK(verdict.again_at > now);
        now = verdict.again_at;
        ++looks;
    }
    CHECK(verdict.kind == Kind::Refuse);
    CHECK(now == kStart + milliseconds(500));
    CHECK(looks == 25);
    CHECK(b->totals().delayed == 1);
    CHECK(second.begin(now, kRead).kind == Kind::Wait);
    first.end(now);
    CHECK(second.begin(now + milliseconds(20), kRead).kind == Kind::Go);
    CHECK(held(*a) + held(*b) == 2);
}

TEST_CASE("bytes are charged at the end and paid for before the next begins") {
    RateLimitConfig config = limit("bytes", RateAction::Reject);
    config.bytes_per_second = 1000;
    SessionLimits limits;
    limits.set_rules({rule(config)}, user("app"));
    limits.moved(100);  // before it began: the request itself
    CHECK(limits.begin(kStart, kRead).kind == Kind::Go);
    limits.moved(1400);
    limits.end(kStart);
    const auto refused = limits.begin(kStart, kRead);
    CHECK(refused.kind == Kind::Refuse);
    CHECK(refused.refusal.retry_after == milliseconds(500));
    CHECK(limits.begin(kStart + milliseconds(500), kRead).kind == Kind::Go);
    limits.end(kStart + milliseconds(500));
    CHECK(limits.begin(kStart + milliseconds(500), kRead).kind == Kind::Go);
}

TEST_CASE("rules that only log let everything through and hold nobody up") {
    RateLimitConfig config = rate("dry", RateAction::Log, 1);
    config.concurrency = 1;
    const auto dry = rule(config);
    SessionLimits one;
    SessionLimits two;
    one.set_rules({dry}, user("app"));
    two.set_rules({dry}, user("app"));
    CHECK(one.begin(kStart, kRead).kind == Kind::Go);
    CHECK(two.begin(kStart, kRead).kind == Kind::Go);  // over both: counted once
    two.end(kStart);
    CHECK(two.begin(kStart + seconds(9), kRead).kind == Kind::Go);  // over the concurrency
    CHECK(dry->totals().allowed == 1);
    CHECK(dry->totals().logged == 2);
    CHECK(dry->totals().rejected + dry->totals().delayed == 0);
    one.end(kStart);
    two.end(kStart);
    CHECK(held(*dry) == 0);
}

TEST_CASE("rules for a query class leave the others alone") {
    RateLimitConfig config = rate("writes", RateAction::Reject, 1);
    config.query_classes = {QueryClass::Write};
    SessionLimits limits;
    limits.set_rules({rule(config)}, user("app"));
    CHECK(limits.needs_class());
    for (int i = 0; i < 3; ++i) {
        CHECK(limits.begin(kStart, kRead).kind == Kind::Go);
        limits.end(kStart);
    }
    CHECK(limits.begin(kStart, QueryClass::Write).kind == Kind::Go);
    limits.end(kStart);
    CHECK(limits.begin(kStart, QueryClass::Write).kind == Kind::Refuse);
    CHECK(limits.begin(kStart, kRead).kind == Kind::Go);

    RateLimitConfig by_class = rate("by_class", RateAction::Reject, 1);
    by_class.key = {RateKeyPart::User, RateKeyPart::QueryClass};
    SessionLimits other;
    other.set_rules({rule(by_class)}, user("app"));
    CHECK(other.needs_class());
    CHECK(other.begin(kStart, kRead).kind == Kind::Go);
    other.end(kStart);
    CHECK(other.begin(kStart, QueryClass::Ddl).kind == Kind::Go);
    other.end(kStart);
    CHECK(other.begin(kStart, kRead).refusal.key == "user=app query_class=read");
}

TEST_CASE("life signs pass, but not so often that anything could hide behind them") {
    SessionLimits limits;
    CHECK(limits.let_life_sign(kStart));
    CHECK_FALSE(limits.let_life_sign(kStart + milliseconds(99)));
    CHECK(limits.let_life_sign(kStart + milliseconds(100)));
    CHECK_FALSE(limits.let_life_sign(kStart + milliseconds(100)));
}

TEST_CASE("users have limits of their own, and nobody else's rules concern a session") {
    RateLimitConfig config = rate("u", RateAction::Reject, 1);
    config.key = {RateKeyPart::User};
    config.databases = *NameMatchList::parse("shop");
    const auto r = rule(config);
    SessionLimits one;
    SessionLimits two;
    SessionLimits three;
    one.set_rules({r}, user("one"));
    two.set_rules({r}, user("two"));
    three.set_rules({r}, {{}, "one", "other", ""});
    CHECK_FALSE(one.is_empty());
    CHECK(three.is_empty());
    CHECK_FALSE(one.needs_class());
    CHECK(one.begin(kStart, kRead).kind == Kind::Go);
    CHECK(two.begin(kStart, kRead).kind == Kind::Go);
    one.end(kStart);
    CHECK(one.begin(kStart, kRead).kind == Kind::Refuse);
}

TEST_CASE("a reload keeps what a transaction holds, charges it, and lets who waits ask anew") {
    RateLimitConfig config = rate("r", RateAction::Delay, 10);
    config.concurrency = 1;
    config.bytes_per_second = 1000;
    const auto before = rule(config);
    config.concurrency = 5;
    const auto after = std::make_shared<const RateRule>(config, SipKey{1, 2}, before.get());
    SessionLimits runs;
    SessionLimits waits;
    runs.set_rules({before}, user("app"));
    waits.set_rules({before}, user("app"));
    CHECK(runs.begin(kStart, kRead).kind == Kind::Go);
    CHECK(waits.begin(kStart, kRead).again_at == kStart + milliseconds(100));
    runs.set_rules({after}, user("app"));
    waits.set_rules({after}, user("app"));
    CHECK(held(*after) == 1);
    // Its place was given back with the old rules, so it is the next again.
    CHECK(waits.begin(kStart, kRead).again_at == kStart + milliseconds(100));
    CHECK(waits.begin(kStart + milliseconds(100), kRead).kind == Kind::Go);
    CHECK(held(*after) == 2);
    runs.moved(2000);
    runs.end(kStart + milliseconds(100));
    CHECK(held(*after) == 1);
    CHECK(runs.begin(kStart + milliseconds(100), kRead).kind == Kind::Refuse);  // 1 s of bytes
    waits.set_rules({}, user("app"));
    CHECK_FALSE(waits.is_empty());
    waits.end(kStart);
    CHECK(waits.is_empty());
    CHECK(held(*after) == 0);
}

TEST_CASE("whatever happens, units come back and never exceed the limit") {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        Prng random(seed);
        RateLimitConfig both = rate("a", RateAction::Delay, 50, 5);
        both.concurrency = 3;
        const std::vector<RateRulePtr> rules = {rule(both),
                                                rule(concurrency("b", RateAction::Reject, 4))};
        std::vector<std::unique_ptr<SessionLimits>> sessions;
        for (int i = 0; i < 8; ++i) {
            sessions.push_back(std::make_unique<SessionLimits>());
            sessions.back()->set_rules(rules, user("app"));
        }
        Instant now = kStart;
        for (int i = 0; i < 3000; ++i) {
            now.us += static_cast<int64_t>(random.below(10'000));
            auto& it = sessions[random.below(sessions.size())];
            switch (random.below(8)) {
                case 0:
                    it = std::make_unique<SessionLimits>();
                    it->set_rules(rules, user("app"));
                    break;
                case 1: it->set_rules(rules, user("app")); break;
                case 2:
                case 3: it->end(now); break;
                default: (void)it->begin(now, kRead); break;
            }
            if (held(*rules[0]) > 3 || held(*rules[1]) > 4) FAIL(seed);
        }
        sessions.clear();
        CHECK(held(*rules[0]) == 0);
        CHECK(held(*rules[1]) == 0);
    }
}

}  // namespace
}  // namespace weir::session_limits_test
