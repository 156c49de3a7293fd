// RouteCounters: what one worker has decided for the transactions of one routed (database, user):
// how many were sent where and for which reason, and what became of those that had to wait or to
// try again. A transaction counts as sent when its server is there; a login does not.
//
// A reason is the word of target_session_attrs that the session came with, or what
// read_write_split made of the transaction. The target is what the backend was by then.
//
// Single writer as PoolCounters, see proxy/stats/counters.h. Owner: PoolGroup, one for each worker.
// Thread: written by one worker, read by any.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "conf/backend_config.h"
#include "health/role_judge.h"
#include "proxy/routing/read_split.h"
#include "proxy/stats/counters.h"

namespace weir {

// Why a transaction wants the backend that it wants.
class RouteReason {
  public:
    static constexpr size_t kWishes = static_cast<size_t>(TargetSessionAttrs::PreferStandby) + 1;
    static constexpr size_t kCount = kWishes + static_cast<size_t>(SplitReason::kCount);

    constexpr RouteReason() = default;  // target_session_attrs=any
    constexpr explicit RouteReason(TargetSessionAttrs wanted)
        : index_(static_cast<uint8_t>(wanted)) {}
    constexpr explicit RouteReason(SplitReason reason)
        : index_(static_cast<uint8_t>(kWishes + static_cast<size_t>(reason))) {}
    static constexpr RouteReason at(size_t index) {
        RouteReason reason;
        reason.index_ = static_cast<uint8_t>(index);
        return reason;
    }

    [[nodiscard]] constexpr size_t index() const { return index_; }
    // "target_session_attrs=standby", "proven_read_only".
    [[nodiscard]] std::string name() const;

  private:
    uint8_t index_ = 0;
};

// Any: nobody asks and nobody said what the backend is.
enum class RouteTarget : uint8_t { Primary, Replica, Any, kCount };
[[nodiscard]] RouteTarget target_of(Role role);
[[nodiscard]] std::string_view to_text(RouteTarget target);

enum class RouteEvent : uint8_t {
    Held,      // a transaction or a login that no backend could serve
    Released,  // ... and one could, at last
    Rejected,  // was told so: breaker_hold was over
    Rerouted,  // had its place, and was sent to look for another before it began
    Spilled,   // a read that began on the primary for want of a replica
    Trial,     // began as a HALF_OPEN backend's trial
    kCount,
};
[[nodiscard]] std::string_view to_text(RouteEvent event);

struct alignas(64) RouteCounters {
    static constexpr size_t kTargets = static_cast<size_t>(RouteTarget::kCount);
    static constexpr size_t kEvents = static_cast<size_t>(RouteEvent::kCount);

    void sent(RouteReason reason, RouteTarget target) {
        sent_to[reason.index()][static_cast<size_t>(target)].add(1);
    }
    void note(RouteEvent event) { events[static_cast<size_t>(event)].add(1); }

    std::array<std::array<Counter, kTargets>, RouteReason::kCount> sent_to;
    std::array<Counter, kEvents> events;
};

// The same, summed.
struct RouteTotals {
    void add(const RouteCounters& counters);

    std::array<std::array<uint64_t, RouteCounters::kTargets>, RouteReason::kCount> sent_to{};
    std::array<uint64_t, RouteCounters::kEvents> events{};
};

}  // namespace weir
