// Address: where a socket leads. TCP over IPv4 or IPv6, or a Unix socket (path, or abstract with
// `@`). Thread: any (values).
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "protocol/base/result.h"

namespace weir {

class Address {
  public:
    Address() = default;

    // `text` is a literal IPv4 or IPv6 address; no name is looked up. Error when it is not one.
    static Result<Address> from_ip(const std::string& text, uint16_t port);
    // `path` of the socket file; a leading `@` names an abstract socket. Error when it is too long.
    static Result<Address> from_unix(const std::string& path);
    static Address from_sockaddr(const sockaddr* address, socklen_t bytes);

    [[nodiscard]] const sockaddr* data() const {
        return reinterpret_cast<const sockaddr*>(&storage_);
    }
    [[nodiscard]] socklen_t size() const { return size_; }
    [[nodiscard]] int family() const { return storage_.ss_family; }
    [[nodiscard]] bool is_unix() const { return family() == AF_UNIX; }
    // 127.0.0.0/8 or ::1, also as IPv4 in IPv6.
    [[nodiscard]] bool is_loopback() const;
    [[nodiscard]] bool is_set() const { return size_ > 0; }

    // Host part as SHOW prints it: the literal address, or `unix`.
    [[nodiscard]] std::string host() const;
    [[nodiscard]] uint16_t port() const;
    // Of a Unix socket; an abstract one begins with `@`. Empty for others.
    [[nodiscard]] std::string unix_path() const;
    friend bool operator==(const Address& a, const Address& b);

  private:
    sockaddr_storage storage_{};
    socklen_t size_ = 0;
};

// The peer of a client, small: an idle client keeps one of these, not a sockaddr_storage.
struct PeerAddress {
    uint8_t bytes[16] = {};
    uint16_t port = 0;
    uint8_t family = 0;  // AF_INET, AF_INET6, AF_UNIX

    static PeerAddress from(const Address& address);
    [[nodiscard]] std::string host() const;
    // `1.2.3.4:5`, `[::1]:5` or `unix`.
    [[nodiscard]] std::string text() const;
};

}  // namespace weir
