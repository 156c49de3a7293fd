// RateTable: the rate-limit cells of all keys of one rule (addresses, digests, ...), bounded.
//
// Laid out as a processor's cache: the key chooses a set of eight cells, and a new key takes the
// least recently used of them. Everything is allocated in the constructor; deciding allocates
// nothing and touches two cache lines or so. A cell whose TAT has passed is as good as none, so
// replacing it costs nothing; replacing one that still restrains its key gives that key a new burst
// and is counted as an overflow. Keys that are few and long-lived (users, databases) should have a
// GcraCell of their own instead.
//
// Keys are 64-bit hashes. They come from outside, so the hash must be keyed by a secret: else
// clients could fill the sets they like. Two texts with one hash share a limit.
//
// Locking: each shard has one mutex that guards its cells; a leaf lock, held for one decision.
// Thread: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "protocol/base/clock.h"
#include "proxy/limits/gcra.h"

namespace weir {

class RateTable {
  public:
    static constexpr size_t kWays = 8;

    // Room for at least `keys_max` keys if they spread evenly; 40 bytes each. `shards` is
    // rounded up to a power of two; a few per worker keep them from waiting for each other.
    explicit RateTable(size_t keys_max, size_t shards = 64);
    RateTable(const RateTable&) = delete;
    RateTable& operator=(const RateTable&) = delete;

    // Whether `count` events of `key` are allowed now, or after a delay of `delay_max` at most.
    [[nodiscard]] GcraDecision decide(uint64_t key, Instant now, const GcraLimit& limit,
                                      uint64_t count = 1, Duration delay_max = Duration(0));

    struct HotKey {
        uint64_t key = 0;
        uint64_t allowed = 0;  // since the key came into the table
        uint64_t refused = 0;
        Instant last_used;
    };
    // The `count` keys with most refusals, then most events; for SHOW RATE_LIMITS. Slow: looks at
    // every cell, locking one shard at a time.
    [[nodiscard]] std::vector<HotKey> hottest(size_t count) const;

    [[nodiscard]] size_t capacity() const { return (shard_mask_ + 1) * (set_mask_ + 1) * kWays; }
    [[nodiscard]] size_t size() const;  // slow, as hottest
    // Replacements of cells that still restrained their key.
    [[nodiscard]] uint64_t overflows() const { return overflows_.load(std::memory_order_relaxed); }

  private:
    struct Cell {
        uint64_t key = 0;
        PlainGcraCell gcra;
        Instant last_used;  // never = empty
        uint64_t allowed = 0;
        uint64_t refused = 0;
    };
    struct alignas(64) Shard {
        mutable std::mutex mutex;
        std::vector<Cell> cells;  // sets one after another
    };
    Cell& find_or_replace(Shard& shard, uint64_t key, size_t set, Instant now);

    size_t shard_mask_ = 0;
    size_t set_mask_ = 0;
    std::unique_ptr<Shard[]> shards_;
    std::atomic<uint64_t> overflows_{0};
};

}  // namespace weir
