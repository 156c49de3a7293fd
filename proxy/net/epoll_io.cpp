#include "proxy/net/epoll_io.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol/base/check.h"

namespace weir {

// The calls of the data path go past glibc's recv(), send() and epoll_wait(): in a process
// with several threads these are points of cancellation, and enter and leave a state for it each
// time, which is a hundredth of a transaction. Nobody cancels a worker. Gives -1 and errno.
namespace {

ssize_t call_recv(int fd, std::span<uint8_t> into) {
    return syscall(SYS_recvfrom, fd, into.data(), into.size(), 0, nullptr, nullptr);
}

ssize_t call_send(int fd, const iovec& piece) {
    return syscall(SYS_sendto, fd, piece.iov_base, piece.iov_len, MSG_NOSIGNAL, nullptr, 0);
}

uint32_t events_of(Interest interest) {
    if (interest.is_once()) return EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    return (interest.read ? EPOLLIN : 0U) | (interest.write ? EPOLLOUT : 0U);
}

void call_epoll_ctl(int set_fd, int operation, int fd, uint64_t word, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = word;
    WEIR_CHECK(epoll_ctl(set_fd, operation, fd, &event) == 0);
}

}  // namespace

void EpollIo::enter(const EpollSet& set) {
    const std::lock_guard lock(mutex_);
    set_fd_ = set.fd();
    table_.for_each_of(worker_, [this](int fd, const WatchTable::Entry& entry) {
        call_epoll_ctl(set_fd_, EPOLL_CTL_ADD, fd, entry.word.load(std::memory_order_relaxed),
                       entry.events.load(std::memory_order_relaxed));
    });
}

void EpollIo::leave() {
    const std::lock_guard lock(mutex_);
    table_.for_each_of(worker_, [this](int fd, const WatchTable::Entry&) {
        if (WEIR_BUG(epoll_ctl(set_fd_, EPOLL_CTL_DEL, fd, nullptr) != 0)) forget(fd);
    });
    set_fd_ = -1;
}

void EpollIo::control(int operation, int fd, Watch watch, uint32_t events) {
    call_epoll_ctl(set_fd_, operation, fd, watch.word, events);
    WatchTable::Entry& entry = table_.at(fd);
    entry.word.store(watch.word, std::memory_order_relaxed);
    entry.events.store(events, std::memory_order_relaxed);
    entry.owner.store(worker_, std::memory_order_relaxed);
}

void EpollIo::forget(int fd) {
    WatchTable::Entry& entry = table_.at(fd);
    if (entry.owner.load(std::memory_order_relaxed) == worker_)
        entry.owner.store(kNoWorker, std::memory_order_relaxed);
}

void EpollIo::add_listener(int fd, Watch watch) {
    const std::lock_guard lock(mutex_);
    call_epoll_ctl(set_fd_, EPOLL_CTL_ADD, fd, watch.word, EPOLLIN | EPOLLEXCLUSIVE);
}

void EpollIo::remove_listener(int fd) {
    const std::lock_guard lock(mutex_);
    epoll_ctl(set_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

void EpollIo::add_alarm(int fd, Watch watch) {
    const std::lock_guard lock(mutex_);
    control(EPOLL_CTL_ADD, fd, watch, EPOLLIN | EPOLLET);
}

void EpollIo::add(int fd, Watch watch, Interest interest) {
    const std::lock_guard lock(mutex_);
    control(EPOLL_CTL_ADD, fd, watch, events_of(interest));
}

void EpollIo::modify(int fd, Watch watch, Interest interest) {
    const std::lock_guard lock(mutex_);
    control(EPOLL_CTL_MOD, fd, watch, events_of(interest));
}

void EpollIo::remove(int fd) {
    const std::lock_guard lock(mutex_);
    forget(fd);
    epoll_ctl(set_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

// Two workers of one thread share its set: the descriptor stays where it is.
void EpollIo::take(Io& from, int fd, Watch watch, Interest interest) {
    auto& other = static_cast<EpollIo&>(from);
    {
        const std::scoped_lock lock(mutex_, other.mutex_);
        WatchTable::Entry& entry = table_.at(fd);
        const bool is_there = other.set_fd_ == set_fd_ &&
                              entry.owner.load(std::memory_order_relaxed) == other.worker_ &&
                              entry.events.load(std::memory_order_relaxed) == events_of(interest) &&
                              entry.word.load(std::memory_order_relaxed) == watch.word;
        if (is_there) return entry.owner.store(worker_, std::memory_order_relaxed);
    }
    Io::take(from, fd, watch, interest);
}

ssize_t EpollIo::receive(int fd, std::span<uint8_t> into) {
    ssize_t n;
    do {
        n = call_recv(fd, into);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t EpollIo::peek(int fd, std::span<uint8_t> into) {
    ssize_t n;
    do {
        n = recv(fd, into.data(), into.size(), MSG_PEEK);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t EpollIo::send(int fd, std::span<const iovec> pieces) {
    ssize_t n;
    do {
        if (pieces.size() == 1) {
            n = call_send(fd, pieces[0]);
        } else {
            msghdr message{};
            message.msg_iov = const_cast<iovec*>(pieces.data());
            message.msg_iovlen = pieces.size();
            n = sendmsg(fd, &message, MSG_NOSIGNAL);
        }
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

Result<int> EpollIo::connect(const Address& address) {
    const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail("58000", std::string("cannot make a socket: ") + std::strerror(errno));
    apply_options(fd, address, options_);
    if (::connect(fd, address.data(), address.size()) < 0 && errno != EINPROGRESS &&
        errno != EINTR) {
        const std::string why = std::strerror(errno);
        ::close(fd);
        return fail("08006", "connect failed: " + why);
    }
    return fd;
}

int EpollIo::connect_result(int fd) {
    int error = 0;
    socklen_t bytes = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0) return errno;
    return error;
}

Address EpollIo::local_address(int fd) {
    return local_address_of(fd);
}

bool EpollIo::is_same_user(int fd) {
    ucred credentials{};
    socklen_t bytes = sizeof credentials;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) == 0 &&
           credentials.uid == geteuid();
}

int EpollIo::peer_pid(int fd) {
    ucred credentials{};
    socklen_t bytes = sizeof credentials;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) == 0 ? credentials.pid : 0;
}

std::optional<uint32_t> EpollIo::peer_uid(int fd) {
    ucred credentials{};
    socklen_t bytes = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) return std::nullopt;
    return credentials.uid;
}

bool EpollIo::is_peer_gone(int fd) {
    pollfd entry{.fd = fd, .events = POLLRDHUP, .revents = 0};
    return poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

size_t EpollIo::unsent_bytes(int fd) {
    int bytes = 0;
    return ioctl(fd, TIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<size_t>(bytes) : 0;
}

void EpollIo::shutdown_send(int fd) {
    shutdown(fd, SHUT_WR);
}

// Forgotten first: once it is closed the number may be somebody else's.
void EpollIo::close(int fd) {
    {
        const std::lock_guard lock(mutex_);
        forget(fd);
    }
    ::close(fd);
}

}  // namespace weir
