// The words of breakers: what is kept apart by one, what it does, what an operator made it do.
//
// Two operations of each endpoint have one. Of *queries* it is the ejection of endpoint_health.h
// seen from the other side: EJECTED is OPEN, HALF_OPEN is HALF_OPEN, all else is CLOSED. Of
// *connects* it is a CircuitBreaker, which takes away new connections and leaves those that work.
// An operator forces both at once. (A refused password is kept per credential, where logins are
// made.) Thread: any (values).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/clock.h"

namespace weir {

enum class BreakerOperation : uint8_t { Connect, Query };
enum class BreakerState : uint8_t { Closed, Open, HalfOpen };
enum class BreakerForce : uint8_t { None, Open, Closed };

// As SHOW prints it.
[[nodiscard]] constexpr std::string_view to_text(BreakerState state) {
    switch (state) {
        case BreakerState::Closed: return "CLOSED";
        case BreakerState::Open: return "OPEN";
        case BreakerState::HalfOpen: return "HALF_OPEN";
    }
    return "UNKNOWN";
}

// One line of SHOW BREAKERS.
struct BreakerRow {
    BreakerOperation operation = BreakerOperation::Connect;
    BreakerState state = BreakerState::Closed;
    bool is_forced = false;  // by the operator
    bool is_in_force =
        false;            // OPEN, and nothing makes traffic go on: panic, dry run, the last one
    std::string why;      // empty while CLOSED of its own accord
    Instant since;        // never = the same
    Instant open_until;   // OPEN of its own accord; else never
    uint64_t opened = 0;  // how often, since the start
};

}  // namespace weir
