// Strong names for the numbers that travel between threads.
// Thread: any (values).
#pragma once

#include <cstdint>

namespace weir {

using WorkerId = uint8_t;
constexpr WorkerId kNoWorker = 255;
constexpr unsigned kMaxWorkers = 64;

// A client session: where it lives and which life of that slot is meant. A message for an earlier
// life of the slot is recognised by its generation and dropped.
struct ClientId {
    uint32_t slot = 0;
    uint32_t generation = 0;  // 0 = nobody
    WorkerId worker = kNoWorker;
    bool is_lookup = false;  // no client, but a SecretLookup of that worker, which waits like one

    friend bool operator==(ClientId, ClientId) = default;
    [[nodiscard]] bool is_nobody() const { return generation == 0; }
};

}  // namespace weir
