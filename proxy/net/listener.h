// Listener: a listening socket that all workers accept from. It is closed when the last of those
// who look at it lets it go, so that its number cannot come to mean another socket meanwhile.
//
// How to close one so that nobody is turned away whom another process on the same port
// (so_reuseport) would serve: a closed socket resets what the kernel has queued for it. So it first
// drops new SYNs (drop_syns); those clients try again after a second and then find another
// process. Handshakes in flight complete, the workers accept what is queued, and when the queue has
// stayed empty for a while the socket may go.
//
// Facts used (ip(7), ipv6(7), tcp(7); that only SYNs are held against the limit of a listening
// socket: tcp_v4_rcv() of the kernel): what comes with less than IP_MINTTL left to live is dropped,
// but what completes a handshake passes; nobody across a router comes with 255, and no usual system
// begins with it; accepted sockets inherit the limit; a lost SYN is sent again after one second. A
// filter (SO_ATTACH_FILTER) would do the same, where the kernel lets us attach one.
//
// Thread: any; drop_syns() control.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "protocol/base/result.h"

namespace weir {

class Listener {
  public:
    // Takes the descriptor over. `name` is for the log.
    Listener(int fd, bool is_unix, std::string name);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] bool is_unix() const { return is_unix_; }
    [[nodiscard]] const std::string& name() const { return name_; }

    // From now on no new handshake begins. Error when the kernel does not do that.
    Status drop_syns();
    // To be called on each socket accepted after drop_syns(), which drops what comes to it, too;
    // and on a listening one that is to go on.
    static void stop_dropping(int fd);
    [[nodiscard]] bool drops_syns() const { return drops_syns_.load(std::memory_order_relaxed); }
    // Connections that the kernel has ready for accept(); TCP only.
    [[nodiscard]] unsigned queued() const;
    // TCP_DEFER_ACCEPT: seconds, 0 = off; TCP only.
    void set_defer_accept(int seconds) const;

  private:
    const int fd_;
    const bool is_unix_;
    const std::string name_;
    std::atomic<bool> drops_syns_{false};
};

// rule zero: shared, because the last one to let it go closes it.
using ListenerPtr = std::shared_ptr<Listener>;

}  // namespace weir
