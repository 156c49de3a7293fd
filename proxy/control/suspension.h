// Suspension: SUSPEND over all workers (see Standstill for one). They are asked at every tick until
// all of their connections stand still, or until suspend_timeout has passed, when those that do not
// are closed. Owner: Control. Thread: control.
#pragma once

#include <functional>
#include <memory>

#include "protocol/base/clock.h"
#include "proxy/session/message.h"

namespace weir {

class Suspension {
  public:
    // Sends a message to every worker; `complete`, if there is one, gets the sum of what they
    // answer on the control thread.
    using Ask = std::function<void(WorkerMessage, std::function<void(uint64_t)> complete)>;
    explicit Suspension(Ask ask) : ask_(std::move(ask)) {}

    void begin(Instant now, Duration timeout);
    void tick(Instant now);
    // All go on.
    void end();

    [[nodiscard]] bool is_on() const { return is_on_; }
    // Nothing moves any more.
    [[nodiscard]] bool is_flushed() const { return is_on_ && is_flushed_; }

  private:
    const Ask ask_;
    Instant over_at_;
    uint64_t round_ = 0;  // of asking; an answer to an earlier one says nothing
    bool is_on_ = false;
    bool is_flushed_ = false;
    bool is_asking_ = false;
};

}  // namespace weir
