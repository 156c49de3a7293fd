// TrialToken: at most one trial at a time for an endpoint that may have recovered (linkerd and
// Finagle do the same): a server that comes up must not meet all who waited for it at once.
// Pure. Owner: EndpointHealth. Thread: the owner's.
#pragma once

#include "protocol/base/clock.h"

namespace weir {

class TrialToken {
  public:
    // True when the token is the caller's now. One that was not given back within `timeout` is
    // forgotten: its holder may have ended without a report, and without a new trial there would
    // never be a recovery.
    [[nodiscard]] bool try_take(Instant now, Duration timeout) {
        if (is_taken_ && now - taken_at_ < timeout) return false;
        is_taken_ = true;
        taken_at_ = now;
        return true;
    }
    void give_back() { is_taken_ = false; }
    [[nodiscard]] bool is_free(Instant now, Duration timeout) const {
        return !is_taken_ || now - taken_at_ >= timeout;
    }

  private:
    bool is_taken_ = false;
    Instant taken_at_;
};

}  // namespace weir
