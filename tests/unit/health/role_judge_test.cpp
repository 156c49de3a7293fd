// Goal: nobody is the primary without fresh, fenced, undisputed evidence of its own.
// Method: hand-made probes; then random ones, with the rules checked from outside.
#include "health/role_judge.h"

#include <doctest/doctest.h>

#include "protocol/base/random.h"

namespace weir::role_judge_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{1'000'000'000};
constexpr uint64_t kCluster = 7'000'000'000'000'000'001ULL;

ProbeResult primary_probe(Instant at, uint32_t timeline = 1, uint64_t lsn = 100) {
    ProbeResult probe;
    probe.outcome = Outcome::Success;
    probe.sent_at = at;
    probe.system_identifier = kCluster;
    probe.timeline = timeline;
    probe.lsn = lsn;
    return probe;
}
ProbeResult replica_probe(Instant at, uint32_t timeline = 1) {
    ProbeResult probe = primary_probe(at, timeline, 90);
    probe.is_in_recovery = true;
    return probe;
}

Role role_at(const RoleJudge& judge, size_t index, Instant now) {
    return judge.role_of(index, judge.judge(now));
}

TEST_CASE("without evidence every role is unknown") {
    const RoleJudge judge({}, 2);
    CHECK_FALSE(judge.judge(kStart).primary);
    CHECK(role_at(judge, 0, kStart) == Role::Unknown);
    CHECK(to_text(Role::Unknown) == "unknown");
    CHECK(to_text(Role::Primary) == "primary");
    CHECK(to_text(Role::Replica) == "replica");
}

TEST_CASE("who says so freshly and alone is the primary") {
    RoleJudge judge({}, 3);
    judge.on_probe(0, primary_probe(kStart));
    judge.on_probe(1, replica_probe(kStart));
    const auto verdict = judge.judge(kStart);
    CHECK(verdict.primary == 0);
    CHECK_FALSE(verdict.is_split);
    CHECK_FALSE(verdict.is_fenced);
    CHECK_FALSE(verdict.is_foreign);
    CHECK(judge.role_of(0, verdict) == Role::Primary);
    CHECK(judge.role_of(1, verdict) == Role::Replica);
    CHECK(judge.role_of(2, verdict) == Role::Unknown);
    CHECK(judge.primary_lsn() == 100);
    CHECK(judge.system_identifier() == kCluster);
}

TEST_CASE(
    "evidence of a primary is good for less than two probe intervals, of a replica for ever") {
    RoleJudge judge({}, 2);
    judge.on_probe(0, primary_probe(kStart));
    judge.on_probe(1, replica_probe(kStart));
    CHECK(role_at(judge, 0, kStart + (seconds(2) - Duration(1))) == Role::Primary);
    CHECK(role_at(judge, 0, kStart + seconds(2)) == Role::Unknown);
    CHECK(role_at(judge, 1, kStart + seconds(3600)) == Role::Replica);
}

TEST_CASE("a revoked primary is none until a later question is answered") {
    RoleJudge judge({}, 1);
    judge.on_probe(0, primary_probe(kStart));
    judge.revoke(0, kStart + seconds(1));
    CHECK(role_at(judge, 0, kStart + seconds(1)) == Role::Unknown);
    judge.on_probe(0, primary_probe(kStart + seconds(1)));  // asked no later
    CHECK(role_at(judge, 0, kStart + seconds(1)) == Role::Unknown);
    judge.on_probe(0, primary_probe(kStart + seconds(1) + Duration(1)));
    CHECK(role_at(judge, 0, kStart + seconds(2)) == Role::Primary);
}

TEST_CASE("a revocation does not change a replica") {
    RoleJudge judge({}, 1);
    judge.on_probe(0, replica_probe(kStart));
    judge.revoke(0, kStart);
    CHECK(role_at(judge, 0, kStart) == Role::Replica);
}

TEST_CASE("of two claimants on one timeline nobody is the primary") {
    RoleJudge judge({}, 2);
    judge.on_probe(0, primary_probe(kStart));
    judge.on_probe(1, primary_probe(kStart));
    const auto verdict = judge.judge(kStart);
    CHECK_FALSE(verdict.primary);
    CHECK(verdict.is_split);
    CHECK(judge.role_of(0, verdict) == Role::Unknown);
    CHECK(judge.role_of(1, verdict) == Role::Unknown);
    // One goes silent: the other is alone again.
    judge.on_probe(1, primary_probe(kStart + seconds(1)));
    CHECK(judge.judge(kStart + seconds(2)).primary == 1);
}

TEST_CASE("a claim from before the promotion is no claim on an old timeline") {
    RoleJudge judge({}, 2);
    judge.on_probe(0, primary_probe(kStart, 1));
    judge.on_probe(1, primary_probe(kStart + milliseconds(500), 2));
    CHECK(judge.judge(kStart + milliseconds(500)).primary == 1);
    CHECK_FALSE(judge.judge(kStart + milliseconds(500)).is_fenced);
    judge.on_probe(0, primary_probe(kStart + milliseconds(700), 1));
    CHECK(judge.judge(kStart + milliseconds(700)).is_fenced);
}

TEST_CASE("a promotion fences off the old primary, also when the new one cannot be seen") {
    RoleJudge judge({}, 2);
    judge.on_probe(0, primary_probe(kStart, 1, 500));
    judge.on_probe(1, primary_probe(kStart, 2, 300));
    auto verdict = judge.judge(kStart);
    CHECK(verdict.primary == 1);
    CHECK(verdict.is_fenced);
    CHECK(judge.primary_lsn() == 300);  // the old timeline's does not count
    judge.revoke(1, kStart + seconds(1));
    judge.on_probe(0, primary_probe(kStart + seconds(2), 1));
    verdict = judge.judge(kStart + seconds(2));
    CHECK_FALSE(verdict.primary);
    CHECK(verdict.is_fenced);
    CHECK(judge.role_of(0, verdict) == Role::Unknown);
    CHECK(judge.highest_timeline() == 2);
}

TEST_CASE("a replica on a higher timeline fences too") {
    RoleJudge judge({}, 2);
    judge.on_probe(0, primary_probe(kStart, 1));
    judge.on_probe(1, replica_probe(kStart, 2));
    CHECK_FALSE(judge.judge(kStart).primary);
    judge.reset();
    judge.on_probe(0, primary_probe(kStart, 1));
    CHECK(judge.judge(kStart).primary == 0);
}

TEST_CASE("a server of another cluster is nobody and fences nobody") {
    RoleJudge judge({.probe_interval = seconds(2), .system_identifier = kCluster}, 2);
    ProbeResult foreign = primary_probe(kStart, 9, 10'000);
    foreign.system_identifier = 42;
    judge.on_probe(1, foreign);
    judge.on_probe(0, primary_probe(kStart, 1));
    const auto verdict = judge.judge(kStart);
    CHECK(verdict.primary == 0);
    CHECK(verdict.is_foreign);
    CHECK(judge.role_of(1, verdict) == Role::Unknown);
    CHECK(judge.highest_timeline() == 1);
}

TEST_CASE("of two strangers nobody is the primary until somebody agrees with one of them") {
    RoleJudge judge({}, 4);
    ProbeResult foreign = primary_probe(kStart, 9);
    foreign.system_identifier = 42;
    judge.on_probe(3, foreign);
    CHECK(judge.judge(kStart).primary == 3);  // nothing speaks against it yet
    judge.on_probe(0, primary_probe(kStart + Duration(1), 2));
    auto verdict = judge.judge(kStart + Duration(1));
    CHECK_FALSE(verdict.primary);
    CHECK(verdict.is_disputed);
    CHECK_FALSE(verdict.is_foreign);
    judge.on_probe(1, replica_probe(kStart + Duration(2), 2));
    verdict = judge.judge(kStart + Duration(2));
    CHECK(verdict.primary == 0);
    CHECK(verdict.is_foreign);
    CHECK_FALSE(verdict.is_disputed);
    CHECK(judge.role_of(1, verdict) == Role::Replica);
    CHECK(judge.role_of(3, verdict) == Role::Unknown);
    CHECK(judge.highest_timeline() == 2);  // the stranger fences nobody
    // Two have agreed: now others do not matter, however many.
    foreign.sent_at = kStart + Duration(3);
    for (const size_t index : {1, 2, 3})
        judge.on_probe(index, foreign);
    CHECK(judge.judge(kStart + Duration(3)).primary == 0);
    CHECK(judge.system_identifier() == kCluster);
}

TEST_CASE("a dispute does not end by waiting, but by an order or when one of them changes") {
    RoleJudge judge({}, 2);
    ProbeResult foreign = replica_probe(kStart, 9);
    foreign.system_identifier = 42;
    judge.on_probe(1, foreign);
    judge.on_probe(0, primary_probe(kStart));
    judge.on_probe(0, primary_probe(kStart + seconds(60)));
    CHECK(judge.judge(kStart + seconds(60)).is_disputed);
    CHECK(role_at(judge, 1, kStart + seconds(60)) == Role::Unknown);
    SUBCASE("an order") {
        judge.reset();
        judge.on_probe(0, primary_probe(kStart + seconds(61)));
        CHECK(judge.judge(kStart + seconds(61)).primary == 0);
    }
    SUBCASE("the stranger is made one of ours") {
        judge.on_probe(1, replica_probe(kStart + seconds(61)));
        judge.on_probe(0, primary_probe(kStart + seconds(61)));
        CHECK(judge.judge(kStart + seconds(61)).primary == 0);
        CHECK(role_at(judge, 1, kStart + seconds(61)) == Role::Replica);
    }
    SUBCASE("a RELOAD without the stranger") {
        RoleJudge after({}, 1);
        after.inherit(judge);
        after.on_probe(0, primary_probe(kStart + seconds(61)));
        CHECK(after.judge(kStart + seconds(61)).primary == 0);
    }
}

TEST_CASE("who has been alone for two intervals is not disputed by a stranger that comes") {
    RoleJudge judge({}, 2);
    judge.on_probe(0, primary_probe(kStart));
    judge.on_probe(0, primary_probe(kStart + seconds(2)));
    ProbeResult foreign = primary_probe(kStart + seconds(2), 9);
    foreign.system_identifier = 42;
    judge.on_probe(1, foreign);
    const auto verdict = judge.judge(kStart + seconds(2));
    CHECK(verdict.primary == 0);
    CHECK(verdict.is_foreign);
    // Nor after a RELOAD, unless the operator now says what is meant.
    RoleJudge after({}, 2);
    after.inherit(judge);
    after.on_probe(1, foreign);
    CHECK_FALSE(after.judge(kStart + seconds(2)).primary);
    RoleJudge other({.system_identifier = 42}, 2);
    other.inherit(judge);
    other.on_probe(1, foreign);
    CHECK(other.judge(kStart + seconds(2)).primary == 1);
}

TEST_CASE("an order does not undo a revocation") {
    RoleJudge judge({}, 1);
    judge.revoke(0, kStart + seconds(1));
    judge.reset();
    judge.on_probe(0, primary_probe(kStart));  // was under way
    CHECK_FALSE(judge.judge(kStart + seconds(1)).primary);
}

TEST_CASE("a probe that failed or came late says nothing") {
    RoleJudge judge({}, 1);
    judge.on_probe(0, primary_probe(kStart));
    ProbeResult failed = replica_probe(kStart + seconds(1));
    failed.outcome = Outcome::ProbeTimeout;
    judge.on_probe(0, failed);
    judge.on_probe(0, replica_probe(Instant{kStart.us - 1}));
    CHECK(role_at(judge, 0, kStart) == Role::Primary);
    judge.on_probe(0, replica_probe(kStart));
    CHECK(role_at(judge, 0, kStart) == Role::Replica);
}

TEST_CASE("random probes never make a primary that breaks a rule") {
    for (uint64_t seed = 1; seed <= 100; ++seed) {
        Prng random(seed);
        constexpr size_t kCount = 4;
        RoleJudge judge({.probe_interval = seconds(2), .system_identifier = kCluster}, kCount);
        ProbeResult last[kCount];
        Instant revoked[kCount];
        uint32_t highest = 0;
        Instant now = kStart;
        for (int step = 0; step < 500; ++step) {
            now.us += 1 + static_cast<int64_t>(random.below(800'000));
            const size_t index = random.below(kCount);
            if (random.chance(10)) {
                judge.revoke(index, now);
                revoked[index] = now;
            } else {
                const auto timeline = static_cast<uint32_t>(1 + step / 100 + random.below(2));
                ProbeResult probe =
                    random.chance(60) ? replica_probe(now, timeline) : primary_probe(now, timeline);
                if (random.chance(10)) probe.system_identifier = 5;
                if (probe.system_identifier == kCluster) highest = std::max(highest, timeline);
                judge.on_probe(index, probe);
                last[index] = probe;
            }
            const auto verdict = judge.judge(now);
            CAPTURE(seed);
            if (!verdict.primary) continue;
            const ProbeResult& probe = last[*verdict.primary];
            REQUIRE_FALSE(probe.is_in_recovery);
            REQUIRE(probe.system_identifier == kCluster);
            REQUIRE(probe.timeline == highest);
            REQUIRE(now - probe.sent_at < seconds(4));
            REQUIRE(probe.sent_at > revoked[*verdict.primary]);
        }
    }
}

}  // namespace
}  // namespace weir::role_judge_test
