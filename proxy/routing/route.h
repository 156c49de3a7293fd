// Route: which backend may serve a transaction, and which of those does.
//
//   | wanted          | first                      | else                                     |
//   | any             | whatever takes work        |                                          |
//   | read-write      | the primary                |                                          |
//   | primary         | the primary                |                                          |
//   | standby         | a replica                  | a sick replica                           |
//   | read-only       | a replica                  | the primary, up to primary_read_spill;   |
//   |                 |                            | without a primary a sick replica         |
//   | prefer-standby  | a replica                  | the primary; then a sick replica         |
//
// The words are libpq's. A backend that takes work is *sick* when so little speaks for it that with
// any choice it would get nothing (is_sick()); the last one of a role is never taken out, so this
// is how its traffic goes elsewhere. Saturation is no sickness: it is not in the score. A backend
// whose logins are failing just now is passed over if another of the same rank is not. Pure.
// Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "conf/backend_config.h"
#include "health/endpoint.h"
#include "health/selection.h"

namespace weir {

// Why a backend may not serve a transaction.
enum class RouteBar : uint8_t {
    None,
    Tried,        // the transaction has just failed to get in
    NotKnownYet,  // of several backends none is chosen before it is known what each is
    Behind,       // a replica that has not replayed what the session has written
    ForcedOpen,   // the operator opened its breaker
    Out,          // its state takes no work
    OtherRole,    // than what is wanted
    NoSpill,      // the primary, and primary_read_spill has no room for one more read
    Sick,         // reads wait for a better one, since there is a primary
    kCount,
};

// What is known of one backend when a transaction looks for its place.
struct RoutePlace {
    EndpointVerdict verdict;
    bool is_failing = false;        // its logins fail, and the next has to wait for its back-off
    RouteBar bar = RouteBar::None;  // what speaks against it whatever its verdict
};

// In which order backends are considered: all of rank 0 before any of rank 1.
enum class RouteRank : uint8_t { First, Second, Third, Never };

struct RouteRequest {
    TargetSessionAttrs wanted = TargetSessionAttrs::Any;
    bool may_spill = false;    // primary_read_spill has room for one more read
    bool has_primary = false;  // some backend is the primary and takes work
};

// Its rank, and why it has none.
struct RouteStanding {
    RouteRank rank = RouteRank::Never;
    RouteBar bar = RouteBar::None;
};
[[nodiscard]] RouteStanding standing_of(const RoutePlace& place, const RouteRequest& request);
[[nodiscard]] inline RouteRank rank_of(const RoutePlace& place, const RouteRequest& request) {
    return standing_of(place, request).rank;
}

// Whether transactions that want this may be on such a backend at all: asked again when a
// connection is there at last, and of those who wait when something has changed.
[[nodiscard]] bool may_serve(const EndpointVerdict& verdict, TargetSessionAttrs wanted);

// May a HALF_OPEN backend's trial be such a transaction?
[[nodiscard]] bool may_try(const EndpointVerdict& verdict, TargetSessionAttrs wanted);

// Should it be offered its trial by this transaction, before any choice? `weight` as of Candidate.
[[nodiscard]] bool is_trial_due(const RoutePlace& place, double weight, TargetSessionAttrs wanted);

// Words for explanations, such as "its role is not what is wanted".
[[nodiscard]] std::string_view bar_text(RouteBar bar);

// Words for errors, such as "role=primary".
[[nodiscard]] std::string_view describe(TargetSessionAttrs wanted);

// Marks the candidates of the best rank that there is as eligible. False when there is none.
// `places` and `candidates` are of the same length.
bool mark_best(std::span<const RoutePlace> places, const RouteRequest& request,
               std::span<Candidate> candidates);

}  // namespace weir
