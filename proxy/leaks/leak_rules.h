// The rules of leak detection: given the facts of one lease and the time, which leaks it is, since
// when, and what is to be done about it. Pure.
//
//   kind  is found when                                                        then, if so
//   configured L1    a transaction is open, nothing is owed, for idle_transaction         end the
//   client, 25P03 L2    the lease lasts for hold. In session pooling: the work under way,    cancel
//   the query
//         that is, a transaction or a query outside one; L4 has the rest
//   L3    a pin (below) keeps the server bound, and the work lasts for pin
//   L4    session pooling, nothing under way for session_idle                  end the client,
//   57P05 L7    the client is gone and the server still bound for orphan             close what is
//   left L9    more than buffer bytes unread, the server stopped, for buffer_time   end the client
//
// An action has a time of its own, and is carried out even when its report is off. L5, L6 and L8
// are no matter of time held and are found where they happen: see LeakWatch and Auditor.
// Thread: any (pure functions).
#pragma once

#include <array>
#include <string>

#include "conf/config.h"
#include "protocol/base/clock.h"
#include "proxy/leaks/leak_kind.h"

namespace weir {

// From the options of the same names, leak_...; zero = off.
struct LeakLimits {
    Duration idle_transaction{0}, idle_transaction_kill{0};
    Duration hold{0}, hold_cancel{0};
    Duration pin{0};
    Duration session_idle{0}, session_idle_close{0};
    Duration orphan{0};
    Duration buffer_time{0}, buffer_close{0};
    size_t buffer = 0;
    size_t statements = 0, statements_max = 0;

    static LeakLimits of(const GlobalConfig& global);
    // Is there anything about leases to be looked at, by the clock?
    [[nodiscard]] bool has_lease_rules() const;
    // How often a look is worth while: often enough for the shortest time, between 100 ms and 1 s.
    [[nodiscard]] Duration look_interval() const;
};

// Why a server is not free although nothing of it is being used.
enum class Pin : uint8_t { Transaction, FailedTransaction, Copy, OpenBatch, HalfMessage };
constexpr std::array<const char*, 5> kPinNames = {"transaction", "failed transaction", "COPY",
                                                  "batch without Sync", "half a message"};

// One lease, as a look finds it. An instant that is never: it is not so.
struct LeaseFacts {
    bool has_client = false;
    bool is_session_pooling = false;
    bool is_answer_owed = false;  // something of the client's is running
    bool is_cancelled = false;    // what is running was cancelled by us already
    uint8_t pins = 0;             // 1 << Pin
    Instant checked_out;          // the client got the server
    Instant work_since;           // what is under way began
    Instant quiet_since;          // the last ReadyForQuery
    Instant orphaned_at;          // there is no client any more
    Instant gone_since;           // there is one, but its end of the connection is closed
    Instant unread_since;         // more than `buffer` bytes wait for it, and its server is stopped

    void pin(Pin reason) {
        pins = static_cast<uint8_t>(pins | 1U << static_cast<unsigned>(reason));
    }
    [[nodiscard]] bool has(Pin reason) const {
        return (pins >> static_cast<unsigned>(reason) & 1U) != 0;
    }
    // A transaction, a query, or a part of one.
    [[nodiscard]] bool is_at_work() const { return is_answer_owed || pins != 0; }
};

enum class LeakAction : uint8_t {
    None,
    EndTransaction,
    CancelQuery,
    EndSession,
    CloseOrphan,
    CloseHoarder
};

struct LeakVerdict {
    std::array<Instant, kLeakKinds> since{};  // never = not found
    LeakAction action = LeakAction::None;     // the gravest
    LeakKind action_kind = LeakKind::Hold;

    [[nodiscard]] Instant of(LeakKind kind) const { return since[index_of(kind)]; }
};

LeakVerdict judge_lease(const LeaseFacts& facts, const LeakLimits& limits, Instant now);

// `session pooling, transaction, COPY`; empty when nothing pins it.
std::string pin_text(const LeaseFacts& facts);

}  // namespace weir
