#include "proxy/net/listen_addresses.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "conf/host.h"
#include "conf/port_targets.h"

namespace weir {

namespace {

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> out;
    std::string word;
    for (const char c : list + ",") {
        if (c == ',') {
            if (!word.empty()) out.push_back(std::move(word));
            word.clear();
        } else if (c != ' ' && c != '\t') {
            word += c;
        }
    }
    return out;
}

Status add_name(const std::string& name, int port, std::vector<ListenAddress>& out) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    const int status = getaddrinfo(name == "*" ? nullptr : name.c_str(),
                                   std::to_string(port).c_str(), &hints, &found);
    if (status != 0)
        return fail("58000", "cannot resolve listen_addr " + name + ": " + gai_strerror(status));
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
        ListenAddress address;
        address.address = Address::from_sockaddr(entry->ai_addr, entry->ai_addrlen);
        address.name = PeerAddress::from(address.address).text();
        out.push_back(std::move(address));
    }
    freeaddrinfo(found);
    return {};
}

}  // namespace

Result<std::vector<ListenAddress>> listen_addresses(const GlobalConfig& global) {
    std::vector<ListenAddress> out;
    for (const std::string& name : split(global.listen_addr)) {
        if (Status added = add_name(name, global.listen_port, out); !added) {
            return tl::unexpected<Error>(added.error());
        }
        for (const PortTarget& target : port_targets(global)) {
            if (Status added = add_name(name, target.port, out); !added)
                return tl::unexpected<Error>(added.error());
        }
    }
    if (!global.unix_socket_dir.empty()) {
        const std::string path = unix_socket_path(global);
        const Result<Address> address = Address::from_unix(path);
        if (!address) return tl::unexpected<Error>(address.error());
        out.push_back({*address, "unix:" + path, path[0] == '@' ? "" : path});
    }
    return out;
}

std::string unix_socket_path(const GlobalConfig& global) {
    if (global.unix_socket_dir.empty()) return {};
    return unix_socket_path(global.unix_socket_dir, global.listen_port);
}

bool is_answered(const Address& address) {
    const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_alive = fd >= 0 && connect(fd, address.data(), address.size()) == 0;
    if (fd >= 0) close(fd);
    return is_alive;
}

Status remove_stale_socket(const Address& address, const std::string& file) {
    if (is_answered(address))
        return fail("58000", "unix socket is in use, cannot continue: " + file);
    ::unlink(file.c_str());
    return {};
}

}  // namespace weir
