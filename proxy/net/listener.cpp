#include "proxy/net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "proxy/net/socket.h"

namespace weir {

namespace {

constexpr int kTtlMax = 255;

// Of an IPv6 socket both limits are set: it may be one that takes IPv4 as well.
bool set_least_ttl(int fd, int ttl) {
    const bool is_ipv6 = local_address_of(fd).family() == AF_INET6;
    return setsockopt(fd, IPPROTO_IP, IP_MINTTL, &ttl, sizeof ttl) == 0 &&
           (!is_ipv6 || setsockopt(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &ttl, sizeof ttl) == 0);
}

}  // namespace

Listener::Listener(int fd, bool is_unix, std::string name)
    : fd_(fd), is_unix_(is_unix), name_(std::move(name)) {}

Listener::~Listener() {
    ::close(fd_);
}

Status Listener::drop_syns() {
    drops_syns_.store(true, std::memory_order_relaxed);
    if (set_least_ttl(fd_, kTtlMax)) return {};
    return fail("58000",
                "cannot hold back new connections on " + name_ + ": " + std::strerror(errno));
}

void Listener::stop_dropping(int fd) {
    (void)set_least_ttl(fd, 0);
}

unsigned Listener::queued() const {
    tcp_info info{};
    socklen_t bytes = sizeof info;
    if (getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) return 0;
    return info.tcpi_unacked;  // of a listening socket: the length of its accept queue
}

void Listener::set_defer_accept(int seconds) const {
    (void)setsockopt(fd_, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
}

}  // namespace weir
