// Goal: a transaction goes to a replica only for a good reason, and the reason is told.
// Method: decisions by hand, and all combinations against the rules said in other words.
#include "proxy/routing/read_split.h"

#include <doctest/doctest.h>

#include "proxy/routing/lsn_history.h"

namespace weir::read_split_test {
namespace {

using std::chrono::seconds;

constexpr Instant kNow{1'000'000'000};

Proof proof(ProofKind kind) {
    Proof made;
    made.kind = kind;
    made.reason = kind == ProofKind::NotProven ? ProofReason::UnsafeFunction : ProofReason::Proven;
    return made;
}

const Proof kRead = proof(ProofKind::ReadOnly);
const Proof kBlock = proof(ProofKind::ReadOnlyBlock);
const Proof kUnknown = proof(ProofKind::NotProven);

SplitInput input(const Proof* proven) {
    SplitInput made;
    made.is_on = true;
    made.parses_alike = true;
    made.proof = proven;
    made.now = kNow;
    made.sticky_for = seconds(2);
    return made;
}

SplitReason decide(const SplitInput& with, SplitTarget expected) {
    const SplitDecision decision = decide_split(with);
    CHECK(decision.target == expected);
    return decision.reason;
}

TEST_CASE("off means writes") {
    SplitInput with = input(&kRead);
    with.is_on = false;
    with.hint = HintTarget::Replica;
    CHECK(decide(with, SplitTarget::Writes) == SplitReason::Off);
}

TEST_CASE("what is proven is read from a replica") {
    CHECK(decide(input(&kRead), SplitTarget::Reads) == SplitReason::ProvenReadOnly);
    CHECK(decide(input(&kBlock), SplitTarget::Reads) == SplitReason::ReadOnlyBlock);
    CHECK(decide(input(&kUnknown), SplitTarget::Writes) == SplitReason::NotProven);
    CHECK(decide(input(nullptr), SplitTarget::Writes) == SplitReason::NotProven);
}

TEST_CASE("hints win over the proof") {
    SplitInput with = input(&kRead);
    with.hint = HintTarget::Primary;
    CHECK(decide(with, SplitTarget::Writes) == SplitReason::HintPrimary);
    with = input(&kUnknown);
    with.hint = HintTarget::Replica;
    with.parses_alike = false;
    CHECK(decide(with, SplitTarget::Reads) == SplitReason::HintReplica);
}

TEST_CASE("a session whose texts read differently has no proof") {
    SplitInput with = input(&kRead);
    with.parses_alike = false;
    CHECK(decide(with, SplitTarget::Writes) == SplitReason::ReadsDifferently);
}

TEST_CASE("by time, reads stay with the primary for a while") {
    for (const HintTarget hint : {HintTarget::None, HintTarget::Replica}) {
        SplitInput with = input(&kRead);
        with.hint = hint;
        with.last_write_at = kNow + Duration(-2'000'000 + 1);
        CHECK(decide(with, SplitTarget::Writes) == SplitReason::RecentWrite);
        with.last_write_at = kNow + Duration(-2'000'000);
        decide(with, SplitTarget::Reads);
        with.last_write_at = kNow + Duration(5);  // noted by a clock ahead
        CHECK(decide(with, SplitTarget::Writes) == SplitReason::RecentWrite);
        with.read_your_writes = ReadYourWrites::Off;
        decide(with, SplitTarget::Reads);
    }
}

TEST_CASE("by LSN, a replica serves that has replayed what was probed after the write") {
    LsnHistory history;
    history.observe(kNow + Duration(-200), 100);
    SplitInput with = input(&kRead);
    with.read_your_writes = ReadYourWrites::Lsn;
    with.last_write_at = kNow + Duration(-100);
    with.replayed_lsn = 1000;
    with.covering_lsn = history.covering(with.last_write_at);
    CHECK(decide(with, SplitTarget::Writes) == SplitReason::WriteNotProbed);
    history.observe(kNow + Duration(-50), 500);
    with.covering_lsn = history.covering(with.last_write_at);
    CHECK(decide_split(with).required_lsn == 500);
    CHECK(decide(with, SplitTarget::Reads) == SplitReason::ProvenReadOnly);
    with.replayed_lsn = 499;
    CHECK(decide(with, SplitTarget::Writes) == SplitReason::ReplicasBehind);
    with.last_write_at = Instant();  // it has never written
    with.covering_lsn = std::nullopt;
    CHECK(decide_split(with).required_lsn == 0);
    CHECK(decide(with, SplitTarget::Reads) == SplitReason::ProvenReadOnly);
}

TEST_CASE("in every combination, reads are those that may be") {
    int reads = 0;
    for (unsigned bits = 0; bits < 1U << 11; ++bits) {
        SplitInput with = input(nullptr);
        with.is_on = (bits & 1) != 0;
        with.parses_alike = (bits & 2) != 0;
        const Proof* const proofs[] = {nullptr, &kUnknown, &kRead, &kBlock};
        with.proof = proofs[(bits >> 2) & 3];
        if (((bits >> 4) & 3) == 3) continue;
        with.hint = static_cast<HintTarget>((bits >> 4) & 3);
        if (((bits >> 6) & 3) == 3) continue;
        with.read_your_writes = static_cast<ReadYourWrites>((bits >> 6) & 3);
        const bool has_written = (bits & 256) != 0;
        if (has_written)
            with.last_write_at = kNow + ((bits & 512) != 0 ? -seconds(3) : -seconds(1));
        if ((bits & 1024) != 0) with.covering_lsn = 7;
        with.replayed_lsn = (bits & 512) != 0 ? 7 : 6;

        const bool is_wanted =
            with.is_on && with.hint != HintTarget::Primary &&
            (with.hint == HintTarget::Replica ||
             (with.parses_alike && with.proof != nullptr && with.proof->is_proven()));
        const bool may_see = !has_written || with.read_your_writes == ReadYourWrites::Off ||
                             ((bits & 512) != 0 && (with.read_your_writes == ReadYourWrites::Time ||
                                                    with.covering_lsn.has_value()));
        const SplitDecision decision = decide_split(with);
        CHECK((decision.target == SplitTarget::Reads) == (is_wanted && may_see));
        CHECK((decision.reason >= SplitReason::HintReplica) ==
              (decision.target == SplitTarget::Reads));
        reads += decision.target == SplitTarget::Reads ? 1 : 0;
    }
    CHECK(reads > 100);
}

TEST_CASE("a batch is proven when all of it is") {
    CHECK(join(kRead, kRead).kind == ProofKind::ReadOnly);
    CHECK(join(kRead, kUnknown).reason == ProofReason::UnsafeFunction);
    CHECK(join(kUnknown, kRead).reason == ProofReason::UnsafeFunction);
    CHECK(join(kBlock, kRead).reason == ProofReason::OddBlock);
    CHECK_FALSE(join(kRead, kBlock).is_proven());
}

TEST_CASE("what was on the primary without proof counts as a write") {
    CHECK(counts_as_write(SplitTarget::Writes, &kUnknown));
    CHECK(counts_as_write(SplitTarget::Writes, nullptr));
    CHECK_FALSE(counts_as_write(SplitTarget::Writes, &kRead));
    CHECK_FALSE(counts_as_write(SplitTarget::Writes, &kBlock));
    CHECK_FALSE(counts_as_write(SplitTarget::Reads, &kUnknown));
}

TEST_CASE("every reason of a decision has a name and a text") {
    for (size_t i = 0; i < static_cast<size_t>(SplitReason::kCount); ++i) {
        CHECK_FALSE(reason_text(static_cast<SplitReason>(i)).empty());
        for (size_t k = 0; k < i; ++k) {
            CHECK(reason_name(static_cast<SplitReason>(i)) !=
                  reason_name(static_cast<SplitReason>(k)));
        }
    }
}

}  // namespace
}  // namespace weir::read_split_test
