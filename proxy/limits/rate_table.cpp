#include "proxy/limits/rate_table.h"

#include <algorithm>
#include <bit>

namespace weir {

RateTable::RateTable(size_t keys_max, size_t shards) {
    const size_t shard_count = std::bit_ceil(std::clamp<size_t>(shards, 1, 1024));
    const size_t sets = (std::max<size_t>(keys_max, 1) + kWays - 1) / kWays;
    const size_t sets_per_shard = std::bit_ceil((sets + shard_count - 1) / shard_count);
    shard_mask_ = shard_count - 1;
    set_mask_ = sets_per_shard - 1;
    shards_ = std::make_unique<Shard[]>(shard_count);
    for (size_t i = 0; i < shard_count; ++i)
        shards_[i].cells.resize(sets_per_shard * kWays);
}

GcraDecision RateTable::decide(uint64_t key, Instant now, const GcraLimit& limit, uint64_t count,
                               Duration delay_max) {
    if (limit.is_unlimited()) return {};
    // Different bits of the hash choose shard and set.
    Shard& shard = shards_[key & shard_mask_];
    const size_t set = (key >> 32) & set_mask_;
    const std::lock_guard lock(shard.mutex);
    Cell& cell = find_or_replace(shard, key, set, now);
    const GcraDecision decision = cell.gcra.decide(now, limit, count, delay_max);
    cell.last_used = std::max({cell.last_used, now, Instant{1}});
    (decision.is_allowed ? cell.allowed : cell.refused) += 1;
    return decision;
}

RateTable::Cell& RateTable::find_or_replace(Shard& shard, uint64_t key, size_t set, Instant now) {
    Cell* const first = &shard.cells[set * kWays];
    Cell* oldest = first;
    Cell* oldest_spent = nullptr;  // restrains nobody: an empty one, or its TAT has passed
    for (Cell* cell = first; cell != first + kWays; ++cell) {
        if (cell->key == key && !cell->last_used.is_never()) return *cell;
        if (cell->last_used < oldest->last_used) oldest = cell;
        const bool is_spent = cell->gcra.tat_ns() / 1000 < now.us;
        if (!is_spent && !cell->last_used.is_never()) continue;
        if (oldest_spent == nullptr || cell->last_used < oldest_spent->last_used) {
            oldest_spent = cell;
        }
    }
    if (oldest_spent == nullptr) overflows_.fetch_add(1, std::memory_order_relaxed);
    Cell* const cell = oldest_spent != nullptr ? oldest_spent : oldest;
    *cell = Cell();
    cell->key = key;
    return *cell;
}

std::vector<RateTable::HotKey> RateTable::hottest(size_t count) const {
    std::vector<HotKey> keys;
    for (size_t i = 0; i <= shard_mask_; ++i) {
        const std::lock_guard lock(shards_[i].mutex);
        for (const Cell& cell : shards_[i].cells) {
            if (cell.last_used.is_never()) continue;
            keys.push_back({cell.key, cell.allowed, cell.refused, cell.last_used});
        }
    }
    const size_t kept = std::min(count, keys.size());
    std::partial_sort(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(kept), keys.end(),
                      [](const HotKey& a, const HotKey& b) {
                          if (a.refused != b.refused) return a.refused > b.refused;
                          if (a.allowed != b.allowed) return a.allowed > b.allowed;
                          return a.key < b.key;  // so that equals do not change places
                      });
    keys.resize(kept);
    return keys;
}

size_t RateTable::size() const {
    size_t used = 0;
    for (size_t i = 0; i <= shard_mask_; ++i) {
        const std::lock_guard lock(shards_[i].mutex);
        for (const Cell& cell : shards_[i].cells)
            used += cell.last_used.is_never() ? 0 : 1;
    }
    return used;
}

}  // namespace weir
