// Alarm: wakes a thread that sleeps in epoll_wait without a time-out.
//
// A time-out of epoll_wait makes the kernel set up a timer for each sleep and take it down again,
// up to a hundredth of a transaction's CPU time. An alarm is set once for the earliest moment that
// anybody asks for, and nothing is done for later ones: whoever is woken looks again, and asks
// anew. timerfd_create(2).
// Thread: its owner's.
#pragma once

#include "protocol/base/clock.h"

namespace weir {

class Alarm {
  public:
    Alarm();
    ~Alarm();
    Alarm(const Alarm&) = delete;
    Alarm& operator=(const Alarm&) = delete;

    // To be watched edge-triggered: it is readable when it goes off, and never read.
    [[nodiscard]] int fd() const { return fd_; }
    // Goes off `in_ms` milliseconds after `now` (at least 1), or before; a negative number asks for
    // nothing.
    void ring_in(Instant now, int in_ms);
    // It has gone off.
    void on_ring() { rings_at_ = {}; }

  private:
    const int fd_;
    Instant rings_at_;  // never: it is not set
};

}  // namespace weir
