#include "proxy/net/epoll_set.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "protocol/base/check.h"

namespace weir {

EpollSet::EpollSet() : fd_(epoll_create1(EPOLL_CLOEXEC)), events_(kEventsMax) {
    WEIR_CHECK(fd_ >= 0);
}

EpollSet::~EpollSet() {
    ::close(fd_);
}

// Past glibc's epoll_wait(), as in epoll_io.cpp.
int EpollSet::wait(int timeout_ms) {
    const int n = static_cast<int>(
        syscall(SYS_epoll_pwait, fd_, events_.data(), kEventsMax, timeout_ms, nullptr, size_t{0}));
    return n < 0 ? 0 : n;  // EINTR
}

IoEvent EpollSet::at(int index) const {
    const epoll_event& event = events_[static_cast<size_t>(index)];
    const bool is_broken = (event.events & (EPOLLHUP | EPOLLERR)) != 0;
    // Urgent data (tcp(7)) cut a receive short as well.
    const bool is_ended = is_broken || (event.events & (EPOLLRDHUP | EPOLLPRI)) != 0;
    return {{event.data.u64},
            (event.events & EPOLLIN) != 0 || is_broken,
            (event.events & EPOLLOUT) != 0 || is_broken,
            is_broken,
            is_ended};
}

}  // namespace weir
