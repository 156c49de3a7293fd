// The addresses of this machine and the networks that it is part of, for `samehost` and `samenet`
// of rules. Asked of the system when the rules are read, so that a login need not: after a change
// of interfaces, RELOAD. Thread: any (values).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "conf/match_list.h"

namespace weir {

// The bytes of `address` where `mask` has bits, 0 elsewhere.
AddressBytes masked(const AddressBytes& address, const std::array<uint8_t, 16>& mask);

struct LocalNetwork {
    AddressBytes address;  // of the interface
    std::array<uint8_t, 16> mask{};
};

struct LocalNetworks {
    std::vector<LocalNetwork> interfaces;

    [[nodiscard]] bool is_same_host(const AddressBytes& client) const;
    [[nodiscard]] bool is_same_net(const AddressBytes& client) const;
};

// Of the interfaces of this machine; empty when the system does not tell.
LocalNetworks read_local_networks();

}  // namespace weir
