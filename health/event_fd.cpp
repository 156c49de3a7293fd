#include "health/event_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace weir {

EventFd::~EventFd() {
    if (fd() >= 0) ::close(fd());
}

void EventFd::open() {
    if (fd() < 0) fd_.store(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), std::memory_order_release);
}

void EventFd::wake() {
    const int descriptor = fd();
    if (descriptor < 0) return;
    const uint64_t one = 1;
    // EAGAIN means that 2^64-2 calls have not been looked at: it is awake.
    [[maybe_unused]] const ssize_t written = ::write(descriptor, &one, sizeof one);
}

void EventFd::drain() {
    if (fd() < 0) return;
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t read = ::read(fd(), &count, sizeof count);
}

}  // namespace weir
