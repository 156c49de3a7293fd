#include "conf/local_networks.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>

namespace weir {

namespace {

// The address bytes of an IPv4 or IPv6 socket address; empty for another.
std::span<const uint8_t> bytes_of(const sockaddr* address) {
    if (address->sa_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
        return {reinterpret_cast<const uint8_t*>(&v4->sin_addr), 4};
    }
    if (address->sa_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
        return {v6->sin6_addr.s6_addr, 16};
    }
    return {};
}

}  // namespace

AddressBytes masked(const AddressBytes& address, const std::array<uint8_t, 16>& mask) {
    AddressBytes out = address;
    for (size_t i = 0; i < mask.size(); ++i)
        out.bytes[i] &= mask[i];
    return out;
}

bool LocalNetworks::is_same_host(const AddressBytes& client) const {
    return std::any_of(interfaces.begin(), interfaces.end(),
                       [&client](const LocalNetwork& it) { return it.address == client; });
}

bool LocalNetworks::is_same_net(const AddressBytes& client) const {
    return std::any_of(interfaces.begin(), interfaces.end(), [&client](const LocalNetwork& it) {
        return masked(it.address, it.mask) == masked(client, it.mask);
    });
}

LocalNetworks read_local_networks() {
    LocalNetworks out;
    ifaddrs* first = nullptr;
    if (getifaddrs(&first) != 0) return out;
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first, freeifaddrs);
    for (const ifaddrs* it = first; it != nullptr; it = it->ifa_next) {
        if (it->ifa_addr == nullptr || it->ifa_netmask == nullptr) continue;
        const std::span<const uint8_t> address = bytes_of(it->ifa_addr);
        if (address.empty()) continue;
        LocalNetwork network;
        network.address = address.size() == 4 ? AddressBytes::from(address.first<4>())
                                              : AddressBytes::from(address.first<16>());
        // Some systems leave the family of a mask unset; its bytes stand where the address's do.
        sockaddr_storage mask{};
        std::memcpy(&mask, it->ifa_netmask,
                    address.size() == 4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
        mask.ss_family = it->ifa_addr->sa_family;
        const auto bytes = bytes_of(reinterpret_cast<const sockaddr*>(&mask));
        std::copy(bytes.begin(), bytes.end(), network.mask.begin());
        out.interfaces.push_back(network);
    }
    return out;
}

}  // namespace weir
