#include "conf/syslog_socket.h"

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

namespace weir {

namespace {

constexpr int kBusyMs = 1000;

struct Facility {
    std::string_view word;
    int number;  // as it stands in a datagram: times 8
};
constexpr Facility kFacilities[] = {
    {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"daemon", LOG_DAEMON},
    {"user", LOG_USER},     {"local0", LOG_LOCAL0},     {"local1", LOG_LOCAL1},
    {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},     {"local4", LOG_LOCAL4},
    {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},     {"local7", LOG_LOCAL7},
};

}  // namespace

SyslogSocket::~SyslogSocket() {
    close();
}

void SyslogSocket::configure(std::string_view facility, std::string ident) {
    for (const Facility& it : kFacilities) {
        if (it.word == facility) facility_ = it.number >> 3;
    }
    ident_ = std::move(ident);
}

void SyslogSocket::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

bool SyslogSocket::connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) return false;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0) return false;
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return true;
    close();
    return false;
}

bool SyslogSocket::send_datagram() {
    if (fd_ < 0 && !connect()) return false;
    const auto try_once = [this] {
        return ::send(fd_, datagram_.data(), datagram_.size(), MSG_NOSIGNAL);
    };
    ssize_t n = try_once();
    if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
        pollfd busy{fd_, POLLOUT, 0};
        if (::poll(&busy, 1, kBusyMs) == 1) n = try_once();
    }
    return n == static_cast<ssize_t>(datagram_.size());
}

bool SyslogSocket::send(int priority, int64_t unix_ms, int pid, std::string_view text) {
    const auto when = static_cast<time_t>(unix_ms / 1000);
    struct tm local {};
    localtime_r(&when, &local);
    char date[64];
    const size_t size = std::strftime(date, sizeof date, "%b %e %H:%M:%S", &local);
    datagram_ = fmt::format("<{}>{} {}[{}]: {}", facility_ * 8 + priority,
                            std::string_view(date, size), ident_, pid, text);
    if (send_datagram()) return true;
    if (errno == EAGAIN || errno == ENOBUFS) return false;
    close();  // the daemon was started anew
    return send_datagram();
}

}  // namespace weir
