// EpollSet: what a thread sleeps in until a descriptor is ready. Which descriptors these are is the
// business of the EpollIos that use the set. Owner: WorkerThread. Thread: the owner's; fd() any.
#pragma once

#include <sys/epoll.h>

#include <vector>

#include "proxy/runtime/io.h"

namespace weir {

class EpollSet {
  public:
    EpollSet();
    ~EpollSet();
    EpollSet(const EpollSet&) = delete;
    EpollSet& operator=(const EpollSet&) = delete;

    // Waits for events, at most `timeout_ms` (-1 = for ever); gives how many at() has.
    int wait(int timeout_ms);
    [[nodiscard]] IoEvent at(int index) const;
    // For epoll_ctl(2).
    [[nodiscard]] int fd() const { return fd_; }

  private:
    static constexpr int kEventsMax = 256;

    const int fd_;
    std::vector<epoll_event> events_;
};

}  // namespace weir
