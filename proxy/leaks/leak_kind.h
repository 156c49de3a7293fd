// The kinds of leaks: ways in which a server connection, a client or memory is kept from others for
// longer than it should be. Thread: any (values).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace weir {

enum class LeakKind : uint8_t {
    IdleTransaction,  // L1  a transaction is open and its client says nothing
    Hold,             // L2  a server is held too long, a query running or not
    Pin,              // L3  ... and something of the client's keeps it from being given back
    IdleSession,      // L4  session pooling: a client that says nothing holds a server
    Statements,       // L5  too many prepared statements
    CountMismatch,    // L6  the ledger of a pool and what the workers hold disagree
    Orphan,           // L7  a server is still bound to a client that is gone
    HalfLogin,        // L8  a login that stopped in the middle
    Buffer,           // L9  a client does not read, and its server is stopped meanwhile
};
constexpr size_t kLeakKinds = 9;

constexpr size_t index_of(LeakKind kind) {
    return static_cast<size_t>(kind);
}
constexpr uint16_t bit_of(LeakKind kind) {
    return static_cast<uint16_t>(1U << index_of(kind));
}

// `L1`, as the log and SHOW LEAKS say it, and what it means in words.
inline const char* code_of(LeakKind kind) {
    constexpr std::array<const char*, kLeakKinds> kCodes = {"L1", "L2", "L3", "L4", "L5",
                                                            "L6", "L7", "L8", "L9"};
    return kCodes[index_of(kind)];
}
inline const char* name_of(LeakKind kind) {
    constexpr std::array<const char*, kLeakKinds> kNames = {
        "idle in transaction", "held too long", "pinned too long", "idle session",   "statements",
        "count mismatch",      "orphan",        "half-dead login", "buffer hoarding"};
    return kNames[index_of(kind)];
}

}  // namespace weir
