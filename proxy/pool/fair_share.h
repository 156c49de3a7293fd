// Fair share: max_db_connections split over the pools of a database, every ten seconds.
//
// Max-min fairness: everybody gets what they want up to a common level, and the level is as high as
// it can be; so who wants little gets all of it, and the greedy share the rest evenly. One tenant
// cannot starve the others. Besides, each pool is sure of a floor, so that a user who comes back
// needs no new split first, and a part (20 %) is reserved for pinned sessions, which hold on to
// their connections whatever a split says (Multigres keeps such a reserve). What nobody wants is
// handed out evenly as headroom.
// Pure. Thread: any (a function); called by the control thread.
#pragma once

#include <cstdint>
#include <span>

namespace weir {

struct ShareOptions {
    uint32_t capacity = 0;           // max_db_connections
    uint32_t floor = 1;              // per pool
    uint32_t reserved_percent = 20;  // of the capacity, for pinned sessions
};

struct ShareDemand {
    uint32_t wanted = 0;  // peak of in use + waiting, without pinned ones
    uint32_t pinned = 0;  // held by pinned sessions
    uint32_t max = 0;     // the pool's own limit; 0 = none
};

// Writes into shares[i] how many connections pool i may have; both spans have one length. The sum
// is at most the capacity, the same for pinned and not. The odd units that do not go round begin at
// pool `round` modulo their number, so that with round + 1 each time nobody is always the first.
void fair_shares(std::span<const ShareDemand> demands, const ShareOptions& options, uint64_t round,
                 std::span<uint32_t> shares);

}  // namespace weir
