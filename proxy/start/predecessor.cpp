#include "proxy/start/predecessor.h"

#include "proxy/net/listen_addresses.h"
#include "proxy/runtime/address.h"

namespace weir {

std::optional<std::string> find_predecessor(const GlobalConfig& global) {
    const std::string path = unix_socket_path(global);
    if (path.empty()) return std::nullopt;
    const Result<Address> address = Address::from_unix(path);
    if (!address || !is_answered(*address)) return std::nullopt;
    return path;
}

}  // namespace weir
