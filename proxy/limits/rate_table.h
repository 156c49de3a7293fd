// RateTable: the rate-limit cells of all keys of one rule (addresses, users, ...), bounded.
//
// Laid out as a processor's cache: the key chooses a set of eight cells, and a new key takes the
// least recently used of them. Everything is allocated in the constructor; deciding allocates
// nothing and touches a few cache lines. A cell whose TAT has passed is as good as none, so
// replacing it costs nothing; replacing one that still restrains its key gives that key a new burst
// and is counted as an overflow. A cell whose key holds units (transactions under way) is never
// replaced; when all eight do, a new key goes uncounted, which is an overflow, too.
//
// Keys are 64-bit hashes. They come from outside, so the hash must be keyed by a secret: else
// clients could fill the sets they like. Two texts with one hash share a limit.
//
// Locking: each shard has one mutex that guards its cells; a leaf lock, held for one decision.
// Thread: any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/clock.h"
#include "proxy/limits/byte_debt.h"
#include "proxy/limits/gcra.h"

namespace weir {

// A key as it is asked about: its hash, and how people read it. A cell keeps the first bytes of
// text and tail, for SHOW.
struct RateKey {
    RateKey(uint64_t key_hash, std::string_view key_text = {}, std::string_view key_tail = {})
        : hash(key_hash), text(key_text), tail(key_tail) {}

    uint64_t hash;
    std::string_view text;
    std::string_view tail;
};

// All that one rule limits. 0 = no such limit.
struct RateBounds {
    GcraLimit events;
    int64_t bytes_per_second = 0;
    int concurrency = 0;
};

class RateTable {
  public:
    static constexpr size_t kWays = 8;

    // Room for at least `keys_max` keys if they spread evenly; 120 bytes each. `shards` is
    // rounded up to a power of two; a few per worker keep them from waiting for each other.
    explicit RateTable(size_t keys_max, size_t shards = 64);
    RateTable(const RateTable&) = delete;
    RateTable& operator=(const RateTable&) = delete;

    // Whether `count` events of `key` are allowed now, or after a delay of `delay_max` at most.
    [[nodiscard]] GcraDecision decide(const RateKey& key, Instant now, const GcraLimit& limit,
                                      uint64_t count = 1, Duration delay_max = Duration(0));

    // The same for one event under all bounds but the concurrency: it is allowed when the bytes of
    // earlier ones are paid for, too, by then.
    [[nodiscard]] GcraDecision admit(const RateKey& key, Instant now, const RateBounds& bounds,
                                     Duration delay_max);
    // An event that was admitted at this moment or shortly before does not happen: its place is
    // free again. `is_refused`: because this rule refused it after all.
    void take_back(const RateKey& key, const RateBounds& bounds, bool is_refused);

    // Concurrency: takes one of `most` units, each to be given back by let_go(). Full: all are
    // taken. Uncounted: there was no cell to be had; the event may go on, nothing is to be given
    // back.
    enum class Hold : uint8_t { Held, Full, Uncounted };
    [[nodiscard]] Hold hold(const RateKey& key, Instant now, int most);
    void let_go(uint64_t hash);

    // `key` has moved that many bytes.
    void charge(const RateKey& key, Instant now, int64_t per_second, uint64_t bytes);

    struct HotKey {
        uint64_t key = 0;
        uint64_t allowed = 0;  // since the key came into the table
        uint64_t refused = 0;
        Instant last_used;
        std::string text = {};
        int held = 0;
    };
    // The `count` keys with most refusals, then most events; for SHOW RATE_LIMITS. Slow: looks at
    // every cell, locking one shard at a time.
    [[nodiscard]] std::vector<HotKey> hottest(size_t count) const;

    [[nodiscard]] size_t capacity() const { return (shard_mask_ + 1) * (set_mask_ + 1) * kWays; }
    [[nodiscard]] size_t size() const;  // slow, as hottest
    // Replacements of cells that still restrained their key, and keys that got no cell.
    [[nodiscard]] uint64_t overflows() const { return overflows_.load(std::memory_order_relaxed); }

  private:
    struct Cell {
        uint64_t key = 0;
        PlainGcraCell gcra;
        ByteDebt bytes;
        Instant last_used;  // never = empty
        uint64_t allowed = 0;
        uint64_t refused = 0;
        int held = 0;
    };
    // Beside the cells, not in them: it is only looked at for SHOW.
    struct Label {
        std::array<char, 63> text{};
        uint8_t size = 0;

        void set(const RateKey& key);
    };
    struct alignas(64) Shard {
        mutable std::mutex mutex;
        std::vector<Cell> cells;  // sets one after another
        std::vector<Label> labels;
    };
    Shard& shard_of(uint64_t hash) { return shards_[hash & shard_mask_]; }
    // Different bits of the hash choose shard and set.
    [[nodiscard]] size_t first_of(uint64_t hash) const {
        return ((hash >> 32) & set_mask_) * kWays;
    }
    Cell* find(Shard& shard, uint64_t hash);
    // Null: every cell of its set holds units for another key.
    Cell* find_or_replace(Shard& shard, const RateKey& key, Instant now);
    static void touch(Cell& cell, Instant now);

    size_t shard_mask_ = 0;
    size_t set_mask_ = 0;
    std::unique_ptr<Shard[]> shards_;
    std::atomic<uint64_t> overflows_{0};
};

}  // namespace weir
