#include "proxy/runtime/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>

namespace weir {

Result<Address> Address::from_ip(const std::string& text, uint16_t port) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
        return from_sockaddr(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
        return from_sockaddr(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
    }
    return fail("22023", "not an IP address: " + text);
}

Result<Address> Address::from_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return fail("22023", "unix socket path is empty or too long: " + path);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    const bool is_abstract = path[0] == '@';
    if (is_abstract) address.sun_path[0] = '\0';
    const size_t bytes = offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1);
    return from_sockaddr(reinterpret_cast<const sockaddr*>(&address),
                         static_cast<socklen_t>(bytes));
}

Address Address::from_sockaddr(const sockaddr* address, socklen_t bytes) {
    Address out;
    out.size_ = bytes < sizeof out.storage_ ? bytes : static_cast<socklen_t>(sizeof out.storage_);
    std::memcpy(&out.storage_, address, out.size_);
    return out;
}

bool Address::is_loopback() const {
    if (family() == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage_);
        return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (family() != AF_INET6) return false;
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string Address::host() const {
    return PeerAddress::from(*this).host();
}

uint16_t Address::port() const {
    return PeerAddress::from(*this).port;
}

std::string Address::unix_path() const {
    constexpr size_t kPathAt = offsetof(sockaddr_un, sun_path);
    if (!is_unix() || size_ <= kPathAt) return {};
    std::string path(reinterpret_cast<const char*>(&storage_) + kPathAt, size_ - kPathAt);
    if (path[0] == '\0') {
        path[0] = '@';
        return path;
    }
    return path.substr(0, path.find('\0'));
}

bool operator==(const Address& a, const Address& b) {
    if (a.is_unix() || b.is_unix())
        return a.unix_path() == b.unix_path() && a.is_unix() == b.is_unix();
    return a.size_ == b.size_ && std::memcmp(&a.storage_, &b.storage_, a.size_) == 0;
}

PeerAddress PeerAddress::from(const Address& address) {
    PeerAddress out;
    out.family = static_cast<uint8_t>(address.family());
    if (address.family() == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, address.data(), sizeof v4);
        std::memcpy(out.bytes, &v4.sin_addr, sizeof v4.sin_addr);
        out.port = ntohs(v4.sin_port);
    } else if (address.family() == AF_INET6) {
        sockaddr_in6 v6;
        std::memcpy(&v6, address.data(), sizeof v6);
        std::memcpy(out.bytes, &v6.sin6_addr, sizeof v6.sin6_addr);
        out.port = ntohs(v6.sin6_port);
    }
    return out;
}

std::string PeerAddress::host() const {
    char text[INET6_ADDRSTRLEN] = "unix";
    if (family == AF_INET || family == AF_INET6) inet_ntop(family, bytes, text, sizeof text);
    return text;
}

std::string PeerAddress::text() const {
    if (family == AF_INET6) return "[" + host() + "]:" + std::to_string(port);
    return family == AF_INET ? host() + ":" + std::to_string(port) : "unix";
}

}  // namespace weir
