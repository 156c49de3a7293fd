// EventFd: how any thread gets the health thread out of poll(2). Until opened it does nothing,
// which is what endpoints have that nobody watches. Errors: none; when the system gives no eventfd,
// the health thread notices things a tick later. Thread: any; open() once, by the thread that
// starts the health thread, before it.
#pragma once

#include <atomic>

namespace weir {

class EventFd {
  public:
    EventFd() = default;
    EventFd(const EventFd&) = delete;
    EventFd& operator=(const EventFd&) = delete;
    ~EventFd();

    void open();
    void wake();
    // For the one who was woken.
    void drain();
    [[nodiscard]] int fd() const { return fd_.load(std::memory_order_acquire); }  // -1 = not open

  private:
    std::atomic<int> fd_{-1};
};

}  // namespace weir
