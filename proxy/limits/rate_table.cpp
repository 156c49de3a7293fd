#include "proxy/limits/rate_table.h"

#include <algorithm>
#include <bit>

#include "protocol/base/check.h"

namespace weir {

RateTable::RateTable(size_t keys_max, size_t shards) {
    const size_t shard_count = std::bit_ceil(std::clamp<size_t>(shards, 1, 1024));
    const size_t sets = (std::max<size_t>(keys_max, 1) + kWays - 1) / kWays;
    const size_t sets_per_shard = std::bit_ceil((sets + shard_count - 1) / shard_count);
    shard_mask_ = shard_count - 1;
    set_mask_ = sets_per_shard - 1;
    shards_ = std::make_unique<Shard[]>(shard_count);
    for (size_t i = 0; i < shard_count; ++i) {
        shards_[i].cells.resize(sets_per_shard * kWays);
        shards_[i].labels.resize(sets_per_shard * kWays);
    }
}

// ---- events ----

GcraDecision RateTable::decide(const RateKey& key, Instant now, const GcraLimit& limit,
                               uint64_t count, Duration delay_max) {
    if (limit.is_unlimited()) return {};
    Shard& shard = shard_of(key.hash);
    const std::lock_guard lock(shard.mutex);
    Cell* const cell = find_or_replace(shard, key, now);
    if (cell == nullptr) return {};
    const GcraDecision decision = cell->gcra.decide(now, limit, count, delay_max);
    touch(*cell, now);
    (decision.is_allowed ? cell->allowed : cell->refused) += 1;
    return decision;
}

GcraDecision RateTable::admit(const RateKey& key, Instant now, const RateBounds& bounds,
                              Duration delay_max) {
    Shard& shard = shard_of(key.hash);
    const std::lock_guard lock(shard.mutex);
    Cell* const cell = find_or_replace(shard, key, now);
    if (cell == nullptr) return {};
    touch(*cell, now);
    GcraDecision decision;
    decision.retry_after = bounds.bytes_per_second > 0 ? cell->bytes.wait(now) : Duration(0);
    decision.is_allowed = decision.retry_after <= delay_max;
    if (decision.is_allowed) {
        const Duration paid_after = decision.retry_after;
        decision = cell->gcra.decide(now, bounds.events, 1, delay_max);
        decision.retry_after = std::max(decision.retry_after, paid_after);
    }
    (decision.is_allowed ? cell->allowed : cell->refused) += 1;
    return decision;
}

void RateTable::take_back(const RateKey& key, const RateBounds& bounds, bool is_refused) {
    Shard& shard = shard_of(key.hash);
    const std::lock_guard lock(shard.mutex);
    Cell* const cell = find(shard, key.hash);
    if (cell == nullptr) return;  // replaced meanwhile
    if (!bounds.events.is_unlimited()) cell->gcra.take_back(bounds.events);
    if (cell->allowed > 0) --cell->allowed;
    if (is_refused) ++cell->refused;
}

// ---- concurrency, bytes ----

RateTable::Hold RateTable::hold(const RateKey& key, Instant now, int most) {
    Shard& shard = shard_of(key.hash);
    const std::lock_guard lock(shard.mutex);
    Cell* const cell = find_or_replace(shard, key, now);
    if (cell == nullptr) return Hold::Uncounted;
    touch(*cell, now);
    if (cell->held >= most) return Hold::Full;
    ++cell->held;
    return Hold::Held;
}

void RateTable::let_go(uint64_t hash) {
    Shard& shard = shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    Cell* const cell = find(shard, hash);  // there: a cell that holds is not replaced
    WEIR_CHECK(cell != nullptr && cell->held > 0);
    --cell->held;
}

void RateTable::charge(const RateKey& key, Instant now, int64_t per_second, uint64_t bytes) {
    Shard& shard = shard_of(key.hash);
    const std::lock_guard lock(shard.mutex);
    Cell* const cell = find_or_replace(shard, key, now);
    if (cell == nullptr) return;
    touch(*cell, now);
    cell->bytes.charge(now, per_second, bytes);
}

// ---- cells ----

void RateTable::touch(Cell& cell, Instant now) {
    cell.last_used = std::max({cell.last_used, now, Instant{1}});
}

RateTable::Cell* RateTable::find(Shard& shard, uint64_t hash) {
    Cell* const first = &shard.cells[first_of(hash)];
    for (Cell* cell = first; cell != first + kWays; ++cell) {
        if (cell->key == hash && !cell->last_used.is_never()) return cell;
    }
    return nullptr;
}

RateTable::Cell* RateTable::find_or_replace(Shard& shard, const RateKey& key, Instant now) {
    Cell* const first = &shard.cells[first_of(key.hash)];
    Cell* oldest = nullptr;        // of those that may go
    Cell* oldest_spent = nullptr;  // restrains nobody: an empty one, or its TAT has passed
    for (Cell* cell = first; cell != first + kWays; ++cell) {
        if (cell->key == key.hash && !cell->last_used.is_never()) return cell;
        if (cell->held > 0) continue;
        if (oldest == nullptr || cell->last_used < oldest->last_used) oldest = cell;
        const bool is_spent = cell->gcra.tat_ns() / 1000 < now.us && cell->bytes.is_spent(now);
        if (!is_spent && !cell->last_used.is_never()) continue;
        if (oldest_spent == nullptr || cell->last_used < oldest_spent->last_used) {
            oldest_spent = cell;
        }
    }
    if (oldest_spent == nullptr) overflows_.fetch_add(1, std::memory_order_relaxed);
    Cell* const cell = oldest_spent != nullptr ? oldest_spent : oldest;
    if (cell == nullptr) return nullptr;
    *cell = Cell();
    cell->key = key.hash;
    shard.labels[static_cast<size_t>(cell - shard.cells.data())].set(key);
    return cell;
}

void RateTable::Label::set(const RateKey& key) {
    const size_t text_bytes = std::min(key.text.size(), text.size());
    const size_t tail_bytes = std::min(key.tail.size(), text.size() - text_bytes);
    std::copy_n(key.text.begin(), text_bytes, text.begin());
    std::copy_n(key.tail.begin(), tail_bytes, text.begin() + text_bytes);
    size = static_cast<uint8_t>(text_bytes + tail_bytes);
}

// ---- for SHOW ----

std::vector<RateTable::HotKey> RateTable::hottest(size_t count) const {
    std::vector<HotKey> keys;
    for (size_t i = 0; i <= shard_mask_; ++i) {
        const Shard& shard = shards_[i];
        const std::lock_guard lock(shard.mutex);
        for (size_t at = 0; at < shard.cells.size(); ++at) {
            const Cell& cell = shard.cells[at];
            if (cell.last_used.is_never()) continue;
            const Label& label = shard.labels[at];
            keys.push_back({cell.key, cell.allowed, cell.refused, cell.last_used,
                            std::string(label.text.data(), label.size), cell.held});
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
