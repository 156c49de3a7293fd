// Goal: each kind of leak is found at its time, not before, and for as long as it is one; what is
// done about it is done only when that is configured; a session that keeps working is never found.
// Method: facts and instants made by hand.
#include "proxy/leaks/leak_rules.h"

#include <doctest/doctest.h>

#include "protocol/base/random.h"

namespace weir::leak_rules_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kBegin{1'000'000'000};

// The defaults of the options; every action is off.
LeakLimits defaults() {
    return LeakLimits::of(GlobalConfig{});
}

std::string found(const LeakVerdict& verdict) {
    std::string out;
    for (size_t i = 0; i < kLeakKinds; ++i) {
        if (verdict.since[i].is_never()) continue;
        out += std::string(out.empty() ? "" : " ") + code_of(static_cast<LeakKind>(i));
    }
    return out;
}
std::string found(const LeaseFacts& facts, Instant now, const LeakLimits& limits = defaults()) {
    return found(judge_lease(facts, limits, now));
}

LeaseFacts leased() {
    LeaseFacts f;
    f.has_client = true;
    f.checked_out = f.work_since = f.quiet_since = kBegin;
    return f;
}
LeaseFacts idle_in_transaction(Pin pin = Pin::Transaction) {
    LeaseFacts f = leased();
    f.pin(pin);
    return f;
}
LeaseFacts running() {
    LeaseFacts f = leased();
    f.is_answer_owed = true;
    return f;
}
LeaseFacts session_idle() {
    LeaseFacts f = leased();
    f.is_session_pooling = true;
    return f;
}

TEST_CASE("L1: a silent client in a transaction is found at its time and not before") {
    for (const Pin pin : {Pin::Transaction, Pin::FailedTransaction}) {
        const LeaseFacts f = idle_in_transaction(pin);
        CHECK(found(f, kBegin + seconds(30) + Duration(-1)) == "");
        CHECK(found(f, kBegin + seconds(30)) == "L1");
        CHECK(judge_lease(f, defaults(), kBegin + seconds(30)).of(LeakKind::IdleTransaction) ==
              kBegin);
    }
    LeaseFacts f = idle_in_transaction();
    f.quiet_since = kBegin + seconds(20);  // it said something in between
    CHECK(found(f, kBegin + seconds(49)) == "");
    CHECK(found(f, kBegin + seconds(50)) == "L1");
}

TEST_CASE("L1: a query that runs, an open batch and half a message are no silence") {
    LeaseFacts f = idle_in_transaction();
    f.is_answer_owed = true;
    CHECK(found(f, kBegin + seconds(59)) == "");
    for (const Pin pin : {Pin::OpenBatch, Pin::HalfMessage}) {
        LeaseFacts g = idle_in_transaction();
        g.pin(pin);
        CHECK(found(g, kBegin + seconds(59)) == "");
    }
}

TEST_CASE("L2: a lease is found when it is too long, running or not") {
    CHECK(found(running(), kBegin + seconds(60) + Duration(-1)) == "");
    CHECK(found(running(), kBegin + seconds(60)) == "L2");
    CHECK(found(leased(), kBegin + seconds(60)) == "L2");
    LeaseFacts f = running();
    f.work_since = kBegin + seconds(50);  // a second query in the same lease
    CHECK(found(f, kBegin + seconds(60)) == "L2");
}

TEST_CASE("L2: in session pooling it is the work under way that counts") {
    LeaseFacts f = running();
    f.is_session_pooling = true;
    f.work_since = f.quiet_since = kBegin + seconds(100);
    CHECK(found(f, kBegin + seconds(159)) == "");
    CHECK(found(f, kBegin + seconds(160)) == "L2");
    CHECK(found(session_idle(), kBegin + seconds(160)) == "");
}

TEST_CASE("L3: what pins a server is told, and a mere query does not pin it") {
    LeakLimits limits = defaults();
    limits.hold = limits.idle_transaction = Duration(0);
    for (const Pin pin :
         {Pin::Transaction, Pin::FailedTransaction, Pin::Copy, Pin::OpenBatch, Pin::HalfMessage}) {
        const LeaseFacts f = idle_in_transaction(pin);
        CHECK(found(f, kBegin + seconds(300) + Duration(-1), limits) == "");
        CHECK(found(f, kBegin + seconds(300), limits) == "L3");
    }
    CHECK(found(running(), kBegin + seconds(3000), limits) == "");
    LeaseFacts f = idle_in_transaction();
    f.pin(Pin::Copy);
    CHECK(pin_text(f) == "transaction, COPY");
    f.is_session_pooling = true;
    CHECK(pin_text(f) == "session pooling, transaction, COPY");
    CHECK(pin_text(running()) == "");
}

TEST_CASE("L4: a silent client in session pooling, and only there") {
    CHECK(found(session_idle(), kBegin + seconds(600) + Duration(-1)) == "");
    CHECK(found(session_idle(), kBegin + seconds(600)) == "L4");
    LeaseFacts f = session_idle();
    f.pin(Pin::Transaction);
    CHECK(found(f, kBegin + seconds(600)) == "L1 L2 L3");
    f = session_idle();
    f.is_answer_owed = true;
    CHECK(found(f, kBegin + seconds(600)) == "L2");
}

TEST_CASE("L7: a server whose client is gone") {
    LeaseFacts f;
    f.orphaned_at = kBegin;
    CHECK(found(f, kBegin + seconds(1) + Duration(-1)) == "");
    CHECK(found(f, kBegin + seconds(1)) == "L7");
    CHECK(judge_lease(f, defaults(), kBegin + seconds(9)).action == LeakAction::None);
    CHECK(found(LeaseFacts{}, kBegin + seconds(1000)) == "");  // being opened, or cleaned

    f = running();
    f.gone_since = kBegin;
    CHECK(judge_lease(f, defaults(), kBegin + milliseconds(999)).action == LeakAction::None);
    CHECK(found(f, kBegin + seconds(1)) == "L7");
    CHECK(judge_lease(f, defaults(), kBegin + seconds(1)).action == LeakAction::CloseOrphan);
}

TEST_CASE("L9: a client that does not read while its server is stopped") {
    LeaseFacts f = running();
    f.unread_since = kBegin;
    CHECK(found(f, kBegin + seconds(30) + Duration(-1)) == "");
    CHECK(found(f, kBegin + seconds(30)) == "L9");
    LeakLimits limits = defaults();
    limits.buffer_close = seconds(40);
    CHECK(judge_lease(f, limits, kBegin + seconds(39)).action == LeakAction::None);
    CHECK(judge_lease(f, limits, kBegin + seconds(40)).action == LeakAction::CloseHoarder);
}

TEST_CASE("nothing is done unless it is configured, and then at its own time") {
    const Instant late = kBegin + seconds(100'000);
    for (const LeaseFacts& f : {idle_in_transaction(), running(), session_idle()})
        CHECK(judge_lease(f, defaults(), late).action == LeakAction::None);

    LeakLimits limits = defaults();
    limits.idle_transaction_kill = seconds(45);
    limits.hold_cancel = seconds(90);
    limits.session_idle_close = seconds(700);
    const auto action = [&](const LeaseFacts& f, int after_s) {
        return judge_lease(f, limits, kBegin + seconds(after_s)).action;
    };
    CHECK(action(idle_in_transaction(), 44) == LeakAction::None);
    CHECK(action(idle_in_transaction(), 45) == LeakAction::EndTransaction);
    CHECK(action(running(), 89) == LeakAction::None);
    CHECK(action(running(), 90) == LeakAction::CancelQuery);
    CHECK(action(session_idle(), 699) == LeakAction::None);
    CHECK(action(session_idle(), 700) == LeakAction::EndSession);
    // There is nothing to cancel, or it was cancelled already.
    CHECK(action(leased(), 90) == LeakAction::None);
    LeaseFacts f = running();
    f.is_cancelled = true;
    CHECK(action(f, 90) == LeakAction::None);
}

TEST_CASE("an action works without its report, and tells of itself") {
    LeakLimits limits;
    limits.idle_transaction_kill = seconds(5);
    const LeakVerdict verdict = judge_lease(idle_in_transaction(), limits, kBegin + seconds(5));
    CHECK(found(verdict) == "L1");
    CHECK(verdict.action == LeakAction::EndTransaction);
    CHECK(verdict.action_kind == LeakKind::IdleTransaction);
}

TEST_CASE("with everything off nothing is found and nothing needs a look") {
    const LeakLimits off;
    CHECK_FALSE(off.has_lease_rules());
    LeaseFacts f = idle_in_transaction();
    f.gone_since = f.unread_since = kBegin;
    CHECK(found(f, kBegin + seconds(100'000), off) == "");
    CHECK(defaults().has_lease_rules());
}

TEST_CASE("looks are as frequent as the shortest time asks for, within bounds") {
    LeakLimits limits;
    limits.hold = seconds(60);
    CHECK(limits.look_interval() == seconds(1));
    limits.orphan = seconds(1);
    CHECK(limits.look_interval() == milliseconds(500));
    limits.buffer_close = milliseconds(10);
    CHECK(limits.look_interval() == milliseconds(100));
}

TEST_CASE("a session that keeps working is never found") {
    Prng random(3);
    LeakLimits limits = defaults();
    limits.idle_transaction_kill = seconds(40);
    limits.hold_cancel = seconds(90);
    Instant now = kBegin;
    LeaseFacts f = leased();
    for (int round = 0; round < 20'000; ++round) {
        // A transaction of some queries, each shorter than what is too long for all of them.
        f.is_session_pooling = random.below(2) == 0;
        f.checked_out = f.work_since = f.quiet_since = now;
        for (int query = 0; query < 3; ++query) {
            f.pins = 0;
            f.pin(Pin::Transaction);
            f.is_answer_owed = true;
            now = now + milliseconds(1 + random.below(9'000));
            const LeakVerdict in_query = judge_lease(f, limits, now);
            CHECK(found(in_query) == "");
            f.is_answer_owed = false;
            f.quiet_since = now;
            now = now + milliseconds(random.below(9'000));
            const LeakVerdict between = judge_lease(f, limits, now);
            CHECK(found(between) == "");
            CHECK(between.action == LeakAction::None);
        }
    }
}

}  // namespace
}  // namespace weir::leak_rules_test
