#include "proxy/routing/read_split.h"

#include <iterator>

namespace weir {
namespace {

SplitDecision writes(SplitReason reason) {
    return {SplitTarget::Writes, reason, 0};
}

// Where a read goes that may go to a replica for what it is; `reason` says what that was.
SplitDecision decide_read(const SplitInput& input, SplitReason reason) {
    const SplitDecision reads{SplitTarget::Reads, reason, 0};
    if (input.last_write_at.is_never()) return reads;
    switch (input.read_your_writes) {
        case ReadYourWrites::Off: return reads;
        case ReadYourWrites::Time:
            // Also when the clock of who noted the write is ahead of ours.
            if (input.now - input.last_write_at < input.sticky_for)
                return writes(SplitReason::RecentWrite);
            return reads;
        case ReadYourWrites::Lsn: break;
    }
    if (!input.covering_lsn) return writes(SplitReason::WriteNotProbed);
    if (input.replayed_lsn < *input.covering_lsn) return writes(SplitReason::ReplicasBehind);
    return {SplitTarget::Reads, reason, *input.covering_lsn};
}

}  // namespace

SplitDecision decide_split(const SplitInput& input) {
    if (!input.is_on) return writes(SplitReason::Off);
    if (input.hint == HintTarget::Primary) return writes(SplitReason::HintPrimary);
    if (input.hint == HintTarget::Replica) return decide_read(input, SplitReason::HintReplica);
    if (!input.parses_alike) return writes(SplitReason::ReadsDifferently);
    if (input.proof == nullptr || !input.proof->is_proven()) return writes(SplitReason::NotProven);
    const bool is_block = input.proof->kind == ProofKind::ReadOnlyBlock;
    return decide_read(input, is_block ? SplitReason::ReadOnlyBlock : SplitReason::ProvenReadOnly);
}

SplitInput split_input(const GlobalConfig& global, Instant now) {
    SplitInput input;
    input.is_on = true;
    input.read_your_writes = global.read_your_writes;
    input.sticky_for = global.read_your_writes_time;
    input.now = now;
    return input;
}

Proof join(const Proof& first, const Proof& second) {
    for (const Proof* const proof : {&first, &second}) {
        if (proof->kind != ProofKind::ReadOnlyBlock) continue;
        Proof refused = *proof;
        refused.kind = ProofKind::NotProven;
        refused.reason = ProofReason::OddBlock;
        return refused;
    }
    return first.is_proven() ? second : first;
}

bool counts_as_write(SplitTarget target, const Proof* proof) {
    return target == SplitTarget::Writes && (proof == nullptr || !proof->is_proven());
}

namespace {

struct SplitWords {
    std::string_view name;
    std::string_view text;
};

constexpr SplitWords kSplitWords[] = {
    {"off", "read/write splitting is off"},
    {"hint_primary", "its hint says primary"},
    {"reads_differently", "client_encoding or standard_conforming_strings forbid a proof"},
    {"not_proven", "not proven read-only"},
    {"recent_write", "the session has written a short time ago"},
    {"write_not_probed", "the session has written since the last probe of the primary"},
    {"replicas_behind", "no replica has replayed the session's last write"},
    {"hint_replica", "its hint says replica"},
    {"proven_read_only", "proven read-only"},
    {"read_only_block", "a READ ONLY block"},
};
static_assert(std::size(kSplitWords) == static_cast<size_t>(SplitReason::kCount));

}  // namespace

std::string_view reason_text(SplitReason reason) {
    return kSplitWords[static_cast<size_t>(reason)].text;
}

std::string_view reason_name(SplitReason reason) {
    return kSplitWords[static_cast<size_t>(reason)].name;
}

}  // namespace weir
