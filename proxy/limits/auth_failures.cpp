#include "proxy/limits/auth_failures.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <span>

#include "conf/value.h"
#include "protocol/base/random.h"

namespace weir {

namespace {

constexpr int kNetworkBits = 64;  // of IPv6: what one household or machine has to itself

}  // namespace

std::string AuthFailureLimit::text() const {
    return fmt::format("{} failures in {} s", failures_max, seconds_text(window));
}

AuthFailures::AuthFailures() {
    secure_random({reinterpret_cast<uint8_t*>(secret_.data()), sizeof secret_});
}

std::string AuthFailures::key_of(const AddressBytes& address, std::string_view user) {
    const AddressBytes who = address.bits() > kNetworkBits ? address.masked(kNetworkBits) : address;
    const char* suffix = address.bits() > kNetworkBits ? "/64" : "";
    return fmt::format("address={}{} user={}", who.text(), suffix, user);
}

AuthFailures::Cell* AuthFailures::find(Shard& shard, uint64_t hash) {
    if (shard.cells.empty()) return nullptr;
    Cell* const first = &shard.cells[first_of(hash)];
    Cell* const found = std::find_if(first, first + kWays, [hash](const Cell& cell) {
        return cell.key == hash && !cell.since.is_never();
    });
    return found == first + kWays ? nullptr : found;
}

AuthFailures::Cell& AuthFailures::find_or_replace(Shard& shard, uint64_t hash, Instant now) {
    if (Cell* known = find(shard, hash)) return *known;
    if (shard.cells.empty()) shard.cells.resize(kSets * kWays);
    Cell* const first = &shard.cells[first_of(hash)];
    Cell* const victim =
        std::min_element(first, first + kWays, [now](const Cell& a, const Cell& b) {
            if (a.is_over(now) != b.is_over(now)) return a.is_over(now);
            return a.failures != b.failures ? a.failures < b.failures : a.since < b.since;
        });
    if (!victim->is_over(now)) overflows_.fetch_add(1, std::memory_order_relaxed);
    *victim = Cell{.key = hash, .since = {}, .lasts = Duration(0), .failures = 0};
    return *victim;
}

std::optional<Duration> AuthFailures::suspended(std::string_view key, Instant now,
                                                const AuthFailureLimit& limit) {
    if (limit.failures_max == 0) return std::nullopt;
    const uint64_t hash = hash_of(key);
    Shard& shard = shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    const Cell* cell = find(shard, hash);
    if (cell == nullptr || cell->failures < limit.failures_max) return std::nullopt;
    const Instant over = cell->since + limit.window;
    if (now >= over) return std::nullopt;
    return over - now;
}

void AuthFailures::failed(std::string_view key, Instant now, const AuthFailureLimit& limit) {
    failed_.fetch_add(1, std::memory_order_relaxed);
    if (limit.failures_max == 0) return;
    const uint64_t hash = hash_of(key);
    Shard& shard = shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    Cell& cell = find_or_replace(shard, hash, now);
    cell.lasts = limit.window;
    if (cell.is_over(now)) {
        cell.since = now;
        cell.failures = 0;
    }
    ++cell.failures;
}

void AuthFailures::forget(std::string_view key) {
    const uint64_t hash = hash_of(key);
    Shard& shard = shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    if (Cell* cell = find(shard, hash)) *cell = Cell();
}

void AuthFailures::note_refused(std::string_view key, Instant now, const AuthFailureLimit& limit) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    const std::optional<uint64_t> suppressed = log_limit_.admit(now);
    if (!suppressed) return;
    log::warning(
        "login refused after too many wrong passwords (key \"{}\", limit \"{}\"; {} more "
        "not logged)",
        key, limit.text(), *suppressed);
}

AuthFailures::Totals AuthFailures::totals() {
    Totals totals{failed_.load(std::memory_order_relaxed), delayed_.load(std::memory_order_relaxed),
                  refused_.load(std::memory_order_relaxed),
                  overflows_.load(std::memory_order_relaxed), 0};
    for (Shard& shard : shards_) {
        const std::lock_guard lock(shard.mutex);
        const auto used = std::count_if(shard.cells.begin(), shard.cells.end(),
                                        [](const Cell& cell) { return !cell.since.is_never(); });
        totals.keys += static_cast<size_t>(used);
    }
    return totals;
}

}  // namespace weir
