// Where to listen, from listen_addr, listen_port and unix_socket_dir.
// Thread: control, at start.
#pragma once

#include <string>
#include <vector>

#include "conf/config.h"
#include "proxy/runtime/address.h"

namespace weir {

struct ListenAddress {
    Address address;
    std::string name;         // for the log
    std::string socket_file;  // of a Unix socket that is a file, else empty
};

// `*` is every address of both families; names are looked up (this blocks, which at start is fine).
Result<std::vector<ListenAddress>> listen_addresses(const GlobalConfig& global);

// Of our Unix socket, `@` in front when it is abstract; empty when there is none.
std::string unix_socket_path(const GlobalConfig& global);

// Somebody accepts connections there. Blocks for as long as connecting takes.
bool is_answered(const Address& address);

// Removes a socket file that nobody listens on any more. Error when somebody does.
Status remove_stale_socket(const Address& address, const std::string& file);

}  // namespace weir
