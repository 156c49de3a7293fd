// Survey: what is known of the backends of a group at this moment, as the pure rules of
// proxy/routing/route.h and health/selection.h want it. Traffic (Routing) and explanations (EXPLAIN
// ROUTE) both begin with it, so that what is told is what is done. Takes nothing and counts
// nothing. Thread: any.
#pragma once

#include <cstdint>
#include <span>

#include "proxy/pool/pool_group.h"

namespace weir {

// What one transaction wants.
struct RouteWish {
    TargetSessionAttrs wanted = TargetSessionAttrs::Any;
    uint64_t required_lsn = 0;  // read_your_writes: replicas must have replayed it; 0 = any will do
    const Pool* tried = nullptr;  // where it has just failed to get in
};

// Fills `places` and `candidates`, one for each member, as worker `viewer` sees them. Eligibility
// is mark_best()'s, with the request that is returned.
[[nodiscard]] RouteRequest survey(const PoolMembers& members, const RouteWish& wish,
                                  WorkerId viewer, Instant now, std::span<RoutePlace> places,
                                  std::span<Candidate> candidates);

// How far the replica has replayed that is the furthest of those that serve reads; 0 = unknown.
[[nodiscard]] uint64_t most_replayed(const PoolMembers& members);

}  // namespace weir
