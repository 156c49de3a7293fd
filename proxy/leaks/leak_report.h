// LeakReport: one suspected leak as it is told, in the log and by SHOW LEAKS. Occurrences that are
// alike (kind, application_name, digest of the last query) share a report, which then shows the
// latest of them. Thread: any (values).
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "protocol/base/clock.h"
#include "proxy/leaks/leak_kind.h"

namespace weir {

// What became of the latest occurrence.
enum class LeakState : uint8_t {
    Open,      // it goes on
    Released,  // it ended by itself
    Killed,    // we ended it
    Noted,     // it has no end that could be told (statements of a server, a count)
};
const char* to_string(LeakState state);

struct LeakReport {
    LeakKind kind = LeakKind::Hold;
    LeakState state = LeakState::Open;
    uint64_t count = 1;                     // occurrences
    uint64_t open = 0;                      // of these, the ones that go on
    uint64_t client_id = 0, server_id = 0;  // as SHOW prints them; 0 = none
    std::string client_addr;                // with the port
    std::string application_name, user, database;
    std::string server_addr;  // with the port
    uint32_t server_pid = 0;
    std::string first_query, last_query;  // of the lease, normalised
    uint64_t digest = 0;                  // of last_query
    std::string reason;                   // pins, or what kind of login, or what is wrong
    uint64_t unread_bytes = 0;
    uint64_t prepared_statements = 0;
    Instant checked_out;        // never = no lease
    Instant transaction_since;  // never = none was open when it was found
    Instant since;              // when the condition began
    Instant first_seen, last_seen;
    Duration released_after{0};  // from `since` to the end; Released and Killed only

    [[nodiscard]] bool is_like(const LeakReport& other) const {
        return kind == other.kind && digest == other.digest &&
               application_name == other.application_name;
    }
    // Takes over `later`, an occurrence of the same that was seen after this one, or the same
    // report of another worker.
    void merge(const LeakReport& later);
};

// How often each kind was found since the start; `killed` counts what was ended by us.
struct LeakTotals {
    std::array<uint64_t, kLeakKinds> found{}, open{}, killed{};
    uint64_t dropped = 0;  // found while no report had room for it

    void add(const LeakTotals& other);
};

// `L1 idle in transaction: C-0x1f db/user@addr ...`: all that is known, on one line.
std::string leak_text(const LeakReport& report, Instant now);
// `42.1 s`
std::string leak_seconds(Duration time);

}  // namespace weir
