#include "proxy/pool/route_survey.h"

#include <algorithm>

#include "health/read_spill.h"

namespace weir {

namespace {

ReadSpill spill_of(const PoolMember& primary, uint32_t percent) {
    constexpr uint32_t kUnlimited = 1U << 20;
    ReadSpill out;
    out.primary_pool_size = primary.pool_size == 0 ? kUnlimited : primary.pool_size;
    out.spilled =
        static_cast<uint32_t>(std::max(primary.pool->spilled.load(std::memory_order_relaxed), 0));
    out.percent = percent;
    return out;
}

RouteBar bar_of(const PoolMembers& members, const PoolMember& member, const RouteWish& wish,
                const EndpointVerdict& verdict) {
    if (member.pool == wish.tried) return RouteBar::Tried;
    // Of several backends none is chosen before it is known what each is.
    if (members.list.size() > 1 && !verdict.is_watched) return RouteBar::NotKnownYet;
    // read_your_writes: a replica that has not replayed so far shows too old a state.
    const bool is_behind = wish.required_lsn != 0 && verdict.role != Role::Primary &&
                           member.pool->endpoint()->position().lsn < wish.required_lsn;
    return is_behind ? RouteBar::Behind : RouteBar::None;
}

}  // namespace

RouteRequest survey(const PoolMembers& members, const RouteWish& wish, WorkerId viewer, Instant now,
                    std::span<RoutePlace> places, std::span<Candidate> candidates) {
    RouteRequest request;
    request.wanted = wish.wanted;
    for (size_t i = 0; i < members.list.size(); ++i) {
        const PoolMember& member = members.list[i];
        const Endpoint& endpoint = *member.pool->endpoint();
        const EndpointVerdict verdict = endpoint.verdict();
        places[i] = {verdict, member.pool->is_backing_off(now) || verdict.is_connect_open,
                     bar_of(members, member, wish, verdict)};
        Candidate& candidate = candidates[i];
        candidate.in_use = endpoint.in_use();
        candidate.waiting = endpoint.waiting();
        candidate.limit = member.limit;
        candidate.weight = endpoint.base_weight(member.weight);
        candidate.health = verdict.weight;
        candidate.peak_ewma_us = member.pool->latencies()[viewer].us();
        candidate.is_local_zone = member.is_local_zone;
        if (verdict.role == Role::Primary && takes_work(verdict)) {
            request.has_primary = true;
            request.may_spill = may_spill(spill_of(member, members.read_spill_percent));
        }
    }
    return request;
}

uint64_t most_replayed(const PoolMembers& members) {
    uint64_t lsn = 0;
    for (const PoolMember& member : members.list) {
        const Endpoint& endpoint = *member.pool->endpoint();
        const EndpointVerdict verdict = endpoint.verdict();
        if (verdict.role == Role::Primary) continue;
        if (may_serve(verdict, TargetSessionAttrs::Standby))
            lsn = std::max(lsn, endpoint.position().lsn);
    }
    return lsn;
}

}  // namespace weir
