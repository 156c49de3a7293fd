// Where a transaction begins: with the primary (Writes) or a replica (Reads). One pure decision,
// made when a session without a server asks for one. In this order:
//
//   1. read/write splitting is off               -> Writes
//   2. the hint says primary                     -> Writes
//   3. no hint, and not proven read-only         -> Writes
//   4. the session may not see its own writes    -> Writes (read_your_writes)
//   5. else                                      -> Reads
//
// A hint for a replica replaces the proof, but not the session's own writes.
//
// The proof is of all that the transaction will be: for Query its whole text. A batch of the
// extended protocol is one transaction up to Sync, so each Parse in it (or the statement behind
// each Bind) has to be proven; the caller joins them with join(), and when Sync is not there yet,
// what comes is unknown, and that is Writes. A transaction that has begun stays where it is.
//
// read_your_writes, after a transaction on the primary that was not proven read-only and has ended
// at last_write_at:
//   Off   reads may be older than the session's own writes.
//   Time  they go to the primary for `sticky_for`; right when replicas are no further behind.
//   Lsn   they go to a replica that has replayed as far as the primary was after the write
//         (lsn_history.h): exact, and usually open again a probe's interval later. The caller must
//         choose a replica with replayed_lsn >= Decision::required_lsn.
// Thread: any (pure).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "conf/config.h"
#include "protocol/base/clock.h"
#include "proxy/routing/read_only_proof.h"
#include "proxy/routing/route_hint.h"

namespace weir {

struct SplitInput {
    bool is_on = false;            // the mode, for this database
    bool parses_alike = false;     // of the session's settings, see parses_alike()
    const Proof* proof = nullptr;  // nullptr = none was made: not proven
    HintTarget hint = HintTarget::None;
    ReadYourWrites read_your_writes = ReadYourWrites::Time;
    Duration sticky_for{0};  // Time
    Instant last_write_at;   // of the session; never = it has not written
    Instant now;
    std::optional<uint64_t> covering_lsn;  // Lsn: LsnHistory::covering(last_write_at)
    uint64_t replayed_lsn = 0;             // Lsn: the largest of the replicas that could serve
};

enum class SplitTarget : uint8_t { Writes, Reads };

enum class SplitReason : uint8_t {
    Off,
    HintPrimary,
    ReadsDifferently,  // an encoding or standard_conforming_strings that the proof does not know
    NotProven,         // see the proof's own reason
    RecentWrite,       // within sticky_for
    WriteNotProbed,    // no probe of the primary since the write
    ReplicasBehind,    // no replica shows the write yet
    HintReplica,
    ProvenReadOnly,
    ReadOnlyBlock,
    kCount,
};

struct SplitDecision {
    SplitTarget target = SplitTarget::Writes;
    SplitReason reason = SplitReason::Off;
    uint64_t required_lsn = 0;  // Reads: only from replicas that have replayed as far; 0 = from any
};

[[nodiscard]] SplitDecision decide_split(const SplitInput& input);

// A longer text is not worth its proof: some 5 ms of the worker's time, each time it is new.
constexpr size_t kSplitProofBytesMax = 16 * 1024;

// Whose transactions are split at all: of sessions that want no certain backend and give their
// server back after each.
[[nodiscard]] constexpr bool may_split(TargetSessionAttrs wanted, PoolMode mode) {
    return wanted == TargetSessionAttrs::Any && mode != PoolMode::Session;
}
// What the options say; the session and its text are the caller's.
[[nodiscard]] SplitInput split_input(const GlobalConfig& global, Instant now);
// Which backends a transaction wants after the decision.
[[nodiscard]] constexpr TargetSessionAttrs wanted_for(SplitTarget target) {
    return target == SplitTarget::Reads ? TargetSessionAttrs::ReadOnly
                                        : TargetSessionAttrs::ReadWrite;
}

// The verdict about two texts in one transaction, in their order: the first that is not proven;
// else read-only. A block in a batch is not proven: what follows it is unknown.
[[nodiscard]] Proof join(const Proof& first, const Proof& second);

// Whether a transaction that has ended is one after which the session's reads are sticky. It is
// enough that it was not known to be read-only, committed or not.
[[nodiscard]] bool counts_as_write(SplitTarget target, const Proof* proof);

// For EXPLAIN ROUTE and the log, and for names of counters.
[[nodiscard]] std::string_view reason_text(SplitReason reason);
[[nodiscard]] std::string_view reason_name(SplitReason reason);

}  // namespace weir
