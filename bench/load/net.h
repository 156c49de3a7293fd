// Sockets and epoll for the bench programs, and Hub: a thread's event loop with accepted sockets
// dealt evenly over several such threads (SO_REUSEPORT would spread few connections unevenly).
// Thread: a Hub belongs to the thread that calls run(); only deal() may be called from another.
// Locking: Hub::mutex_ guards Hub::dealt_ and nothing else; the lock is never held over a system
// call.

#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace weir::bench {

[[noreturn]] inline void die(const std::string& what) {
    std::fprintf(stderr, "%s: %s\n", what.c_str(), std::strerror(errno));
    std::exit(1);
}

inline void check_system(bool ok, const char* what) {
    if (!ok) die(what);
}

class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Fd() { reset(); }

    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    void reset() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

  private:
    int fd_ = -1;
};

inline void raise_file_limit() {
    rlimit limit{};
    check_system(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    check_system(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
}

inline sockaddr_in ipv4_address(const std::string& host, uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
        std::fprintf(stderr, "not an IPv4 address: %s\n", host.c_str());
        std::exit(2);
    }
    return address;
}

inline void set_nodelay(int fd) {
    const int on = 1;
    check_system(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
}

inline Fd listen_on_loopback(uint16_t port) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    check_system(fd.get() >= 0, "socket");
    const int on = 1;
    check_system(::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0,
                 "SO_REUSEADDR");
    const sockaddr_in address = ipv4_address("127.0.0.1", port);
    check_system(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
                 "bind");
    check_system(::listen(fd.get(), 4096) == 0, "listen");
    return fd;
}

// Starts a connection; on loopback it is usually established when this returns. -1 if refused.
inline int start_connect(const sockaddr_in& address) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd.get() < 0) return -1;
    set_nodelay(fd.get());
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(fd.get(), generic, sizeof address) != 0 && errno != EINPROGRESS) return -1;
    return fd.release();
}

class Epoll {
  public:
    Epoll() : fd_(::epoll_create1(EPOLL_CLOEXEC)) { check_system(fd_.get() >= 0, "epoll_create1"); }

    void add(int fd, uint32_t events, void* owner) { control(EPOLL_CTL_ADD, fd, events, owner); }
    void modify(int fd, uint32_t events, void* owner) { control(EPOLL_CTL_MOD, fd, events, owner); }

    std::span<epoll_event> wait(int timeout_ms) {
        const int count =
            ::epoll_wait(fd_.get(), events_.data(), static_cast<int>(events_.size()), timeout_ms);
        check_system(count >= 0 || errno == EINTR, "epoll_wait");
        return {events_.data(), static_cast<size_t>(count > 0 ? count : 0)};
    }

  private:
    void control(int operation, int fd, uint32_t events, void* owner) {
        epoll_event event{};
        event.events = events;
        event.data.ptr = owner;
        check_system(::epoll_ctl(fd_.get(), operation, fd, &event) == 0, "epoll_ctl");
    }

    Fd fd_;
    std::array<epoll_event, 512> events_{};
};

// Wakes a thread out of its epoll_wait.
class Wakeup {
  public:
    Wakeup() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        check_system(fd_.get() >= 0, "eventfd");
    }
    int fd() const { return fd_.get(); }
    void wake() {
        const uint64_t one = 1;
        check_system(::write(fd_.get(), &one, sizeof one) == sizeof one, "eventfd write");
    }
    void clear() {
        uint64_t count = 0;
        check_system(::read(fd_.get(), &count, sizeof count) == sizeof count || errno == EAGAIN,
                     "eventfd read");
    }

  private:
    Fd fd_;
};

class Hub {
  public:
    Hub() { epoll_.add(wakeup_.fd(), EPOLLIN, &wakeup_); }

    Epoll& epoll() { return epoll_; }

    // This hub accepts and deals to all of `hubs` in turn (itself among them).
    void listen(Fd listener, std::vector<Hub*> hubs) {
        listener_ = std::move(listener);
        hubs_ = std::move(hubs);
        epoll_.add(listener_.get(), EPOLLIN, &listener_);
    }

    void deal(int fd) {
        {
            const std::lock_guard lock(mutex_);
            dealt_.push_back(fd);
        }
        wakeup_.wake();
    }

    // Handler: void on_accepted(int fd), void on_event(void* owner, uint32_t events),
    // void on_batch_end().
    template <class Handler>
    [[noreturn]] void run(Handler& handler) {
        for (;;) {
            for (const epoll_event& event : epoll_.wait(-1)) {
                if (event.data.ptr == &listener_) {
                    accept_all(handler);
                } else if (event.data.ptr == &wakeup_) {
                    take_dealt(handler);
                } else {
                    handler.on_event(event.data.ptr, event.events);
                }
            }
            handler.on_batch_end();
        }
    }

  private:
    template <class Handler>
    void accept_all(Handler& handler) {
        for (int i = 0; i < 64; i++) {
            const int fd =
                ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) {
                check_system(errno == EAGAIN || errno == ECONNABORTED || errno == EINTR, "accept4");
                return;
            }
            set_nodelay(fd);
            Hub* to = hubs_[next_++ % hubs_.size()];
            if (to == this) {
                handler.on_accepted(fd);
            } else {
                to->deal(fd);
            }
        }
    }

    template <class Handler>
    void take_dealt(Handler& handler) {
        wakeup_.clear();
        std::vector<int> mine;
        {
            const std::lock_guard lock(mutex_);
            mine.swap(dealt_);
        }
        for (const int fd : mine) {
            handler.on_accepted(fd);
        }
    }

    Epoll epoll_;
    Wakeup wakeup_;
    Fd listener_;
    std::vector<Hub*> hubs_;
    size_t next_ = 0;
    std::mutex mutex_;
    std::vector<int> dealt_;  // guarded by mutex_
};

}  // namespace weir::bench
