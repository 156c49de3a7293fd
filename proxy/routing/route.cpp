#include "proxy/routing/route.h"

#include <algorithm>
#include <iterator>

namespace weir {

namespace {

// Nobody asks it and nobody said: it may be either.
bool is_of_any_role(const EndpointVerdict& verdict) {
    return verdict.role == Role::Unknown && !verdict.is_probed;
}
bool is_primary(const EndpointVerdict& verdict) {
    return verdict.role == Role::Primary || is_of_any_role(verdict);
}
bool is_replica(const EndpointVerdict& verdict) {
    return verdict.role == Role::Replica || is_of_any_role(verdict);
}

bool is_role_wanted(const EndpointVerdict& verdict, TargetSessionAttrs wanted) {
    switch (wanted) {
        case TargetSessionAttrs::ReadWrite:
        case TargetSessionAttrs::Primary: return is_primary(verdict);
        case TargetSessionAttrs::Standby: return is_replica(verdict);
        case TargetSessionAttrs::Any:
        case TargetSessionAttrs::ReadOnly:
        case TargetSessionAttrs::PreferStandby:
            return verdict.role != Role::Unknown || is_of_any_role(verdict);
    }
    return false;
}

RouteStanding barred(RouteBar bar) {
    return {RouteRank::Never, bar};
}

RouteStanding standing_for_reads(const EndpointVerdict& verdict, const RouteRequest& request) {
    const bool is_bounded = request.wanted == TargetSessionAttrs::ReadOnly;
    if (is_replica(verdict)) {
        if (!is_sick(verdict)) return {RouteRank::First};
        const bool must_wait = is_bounded && request.has_primary;
        return must_wait ? barred(RouteBar::Sick) : RouteStanding{RouteRank::Third};
    }
    if (request.wanted == TargetSessionAttrs::Standby) return barred(RouteBar::OtherRole);
    if (is_bounded && !request.may_spill) return barred(RouteBar::NoSpill);
    return {RouteRank::Second};
}

constexpr std::string_view kBarTexts[] = {
    "",
    "the transaction has just failed to get in",
    "it is not known yet what it is",
    "it has not replayed what the session has written",
    "an operator has opened its breaker",
    "its state takes no new work",
    "its role is not what is wanted",
    "primary_read_spill has no room for one more read",
    "it is sick, and reads wait for a better one",
};
static_assert(std::size(kBarTexts) == static_cast<size_t>(RouteBar::kCount));

}  // namespace

RouteStanding standing_of(const RoutePlace& place, const RouteRequest& request) {
    const EndpointVerdict& verdict = place.verdict;
    if (place.bar != RouteBar::None) return barred(place.bar);
    if (verdict.is_open) return barred(RouteBar::ForcedOpen);
    if (!takes_work(verdict)) return barred(RouteBar::Out);
    if (!is_role_wanted(verdict, request.wanted)) return barred(RouteBar::OtherRole);
    switch (request.wanted) {
        case TargetSessionAttrs::Standby:
        case TargetSessionAttrs::ReadOnly:
        case TargetSessionAttrs::PreferStandby: return standing_for_reads(verdict, request);
        default: return {RouteRank::First};
    }
}

bool may_serve(const EndpointVerdict& verdict, TargetSessionAttrs wanted) {
    return takes_work(verdict) && is_role_wanted(verdict, wanted);
}

bool may_try(const EndpointVerdict& verdict, TargetSessionAttrs wanted) {
    const bool is_for_reads = wanted != TargetSessionAttrs::Any &&
                              wanted != TargetSessionAttrs::ReadWrite &&
                              wanted != TargetSessionAttrs::Primary;
    return verdict.state == HealthState::HalfOpen && !verdict.is_panic &&
           is_role_wanted(verdict, wanted) && (!is_for_reads || is_replica(verdict));
}

bool is_trial_due(const RoutePlace& place, double weight, TargetSessionAttrs wanted) {
    return place.bar == RouteBar::None && weight > 0 && may_try(place.verdict, wanted);
}

std::string_view bar_text(RouteBar bar) {
    return kBarTexts[static_cast<size_t>(bar)];
}

std::string_view describe(TargetSessionAttrs wanted) {
    switch (wanted) {
        case TargetSessionAttrs::ReadWrite:
        case TargetSessionAttrs::Primary: return "role=primary";
        case TargetSessionAttrs::Standby:
        case TargetSessionAttrs::ReadOnly: return "role=replica";
        default: return "any role";
    }
}

bool mark_best(std::span<const RoutePlace> places, const RouteRequest& request,
               std::span<Candidate> candidates) {
    // A failing backend comes after every other of its rank, and before those of the next.
    constexpr uint8_t kNever = 2 * static_cast<uint8_t>(RouteRank::Never);
    const auto order = [&](const RoutePlace& place) -> uint8_t {
        const auto rank = static_cast<uint8_t>(rank_of(place, request));
        return static_cast<uint8_t>(2 * rank + (rank < kNever / 2 && place.is_failing ? 1 : 0));
    };
    uint8_t best = kNever;
    for (size_t i = 0; i < places.size(); ++i) {
        if (candidates[i].weight > 0) best = std::min(best, order(places[i]));
    }
    for (size_t i = 0; i < places.size(); ++i)
        candidates[i].is_eligible = best < kNever && order(places[i]) == best;
    return best < kNever;
}

}  // namespace weir
