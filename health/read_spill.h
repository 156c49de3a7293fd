// Read spill: when no replica takes reads, how many of them may go to the primary.
//
// A bounded part of its pool, the rest waits: an outage of the replicas must not take the writer
// with it. Rounded down: a pool of three connections at 30 % lends none.
// Pure. Thread: any.
#pragma once

#include <cstdint>

namespace weir {

struct ReadSpill {
    uint32_t primary_pool_size = 0;  // the most connections that its pool may have
    uint32_t spilled = 0;            // reads that hold a connection of it now
    uint32_t percent = 30;           // primary_read_spill
};

// Whether one more read may go to the primary.
[[nodiscard]] constexpr bool may_spill(const ReadSpill& spill) {
    return (uint64_t{spill.spilled} + 1) * 100 <= uint64_t{spill.percent} * spill.primary_pool_size;
}

}  // namespace weir
