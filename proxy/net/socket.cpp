#include "proxy/net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace weir {

SocketOptions socket_options_of(const GlobalConfig& global) {
    SocketOptions out;
    out.keepalive = global.tcp_keepalive;
    out.keepcnt = global.tcp_keepcnt;
    out.keepidle_s = global.tcp_keepidle_s;
    out.keepintvl_s = global.tcp_keepintvl_s;
    out.user_timeout_ms = global.tcp_user_timeout_ms;
    out.buffer_bytes = global.tcp_socket_buffer_bytes;
    return out;
}

namespace {

void set_option(int fd, int level, int name, int value) {
    // An option that the system refuses is not worth a connection.
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

// Within the machine nothing is congested, and a system that has BBR for its network pays for
// pacing and for a model of the path with each segment. Reno is in every kernel, allowed to
// everybody, and costs nothing while nothing is lost (tcp(7), TCP_CONGESTION).
void spare_congestion_control(int fd) {
    constexpr std::string_view kName = "reno";
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, kName.data(), kName.size());
}

}  // namespace

void apply_options(int fd, const Address& address, const SocketOptions& options) {
    if (address.is_unix()) return;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (address.is_loopback()) spare_congestion_control(fd);
    if (options.keepalive) {
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        if (options.keepcnt > 0) set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, options.keepcnt);
        if (options.keepidle_s > 0) set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, options.keepidle_s);
        if (options.keepintvl_s > 0)
            set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, options.keepintvl_s);
    }
    if (options.user_timeout_ms > 0)
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options.user_timeout_ms);
    if (options.buffer_bytes > 0) {
        set_option(fd, SOL_SOCKET, SO_SNDBUF, options.buffer_bytes);
        set_option(fd, SOL_SOCKET, SO_RCVBUF, options.buffer_bytes);
    }
}

Result<int> listen_on(const Address& address, const std::string& name, int backlog,
                      bool reuse_port) {
    const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const auto failed = [&](const char* what) {
        const std::string why = std::strerror(errno);
        if (fd >= 0) close(fd);
        return fail("58000", "cannot listen on " + name + ": " + what + "(): " + why);
    };
    if (fd < 0) return failed("socket");
    if (!address.is_unix()) {
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (reuse_port) set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
        if (address.family() == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (bind(fd, address.data(), address.size()) < 0) return failed("bind");
    if (listen(fd, backlog) < 0) return failed("listen");
    return fd;
}

Address local_address_of(int fd) {
    sockaddr_storage storage{};
    socklen_t bytes = sizeof storage;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &bytes) < 0) return {};
    return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), bytes);
}

int accept_on(int fd, Address& peer) {
    sockaddr_storage storage{};
    socklen_t bytes = sizeof storage;
    const int accepted =
        accept4(fd, reinterpret_cast<sockaddr*>(&storage), &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) return -errno;
    peer = Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), bytes);
    return accepted;
}

}  // namespace weir
