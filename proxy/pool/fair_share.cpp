#include "proxy/pool/fair_share.h"

#include <algorithm>
#include <vector>

#include "protocol/base/check.h"

namespace weir {

namespace {

// Gives `capacity` units to `wants` by max-min fairness: adds to `shares`, takes from `wants`, and
// returns what is left because nobody wants more. Each turn the level rises to the least want, or
// as far as the units go.
uint64_t pour(uint64_t capacity, std::vector<uint64_t>& wants, uint64_t round,
              std::span<uint32_t> shares) {
    std::vector<size_t> open;  // who still wants something, from the pool whose turn is first
    for (size_t i = 0; i < wants.size(); ++i) {
        const size_t index = (i + round % wants.size()) % wants.size();
        if (wants[index] > 0) open.push_back(index);
    }
    while (capacity > 0 && !open.empty()) {
        const uint64_t each = capacity / open.size();
        if (each == 0) break;
        uint64_t least = each;
        for (const size_t index : open)
            least = std::min(least, wants[index]);
        for (const size_t index : open) {
            shares[index] += static_cast<uint32_t>(least);
            wants[index] -= least;
        }
        capacity -= least * open.size();
        std::erase_if(open, [&wants](size_t index) { return wants[index] == 0; });
    }
    for (const size_t index : open) {  // fewer units than takers
        if (capacity == 0) break;
        ++shares[index];
        --wants[index];
        --capacity;
    }
    return capacity;
}

uint64_t room_of(const ShareDemand& demand, uint32_t share) {
    if (demand.max == 0) return UINT32_MAX;
    return demand.max > share ? demand.max - share : 0;
}

}  // namespace

void fair_shares(std::span<const ShareDemand> demands, const ShareOptions& options, uint64_t round,
                 std::span<uint32_t> shares) {
    WEIR_CHECK(demands.size() == shares.size());
    std::fill(shares.begin(), shares.end(), 0U);
    if (demands.empty()) return;
    const size_t count = demands.size();
    const uint64_t reserved =
        uint64_t{options.capacity} * std::min<uint32_t>(options.reserved_percent, 100) / 100;
    uint64_t general = options.capacity - reserved;

    // The reserve, to those who are pinned. What they do not need stays reserved: it would not come
    // back in time when it is wanted.
    std::vector<uint64_t> pinned(count);
    for (size_t i = 0; i < count; ++i)
        pinned[i] = std::min<uint64_t>(demands[i].pinned, room_of(demands[i], 0));
    pour(reserved, pinned, round, shares);

    // The rest: first the floors, then what is wanted, pinned ones beyond the reserve included.
    std::vector<uint64_t> wants(count);
    std::vector<uint32_t> poured(count);
    for (size_t i = 0; i < count; ++i)
        wants[i] = std::min<uint64_t>(options.floor, room_of(demands[i], shares[i]));
    general = pour(general, wants, round, poured);
    for (size_t i = 0; i < count; ++i) {
        const uint64_t wanted = uint64_t{demands[i].wanted} + pinned[i];
        const uint64_t room = room_of(demands[i], shares[i] + poured[i]);
        wants[i] = std::min<uint64_t>(wanted > poured[i] ? wanted - poured[i] : 0, room);
    }
    // Shares from here on include the floors already poured, so the level is common to all.
    general = pour(general, wants, round, poured);
    for (size_t i = 0; i < count; ++i)
        wants[i] = room_of(demands[i], shares[i] + poured[i]);
    pour(general, wants, round, poured);
    for (size_t i = 0; i < count; ++i)
        shares[i] += poured[i];
}

}  // namespace weir
