// The hosts of the files: names, addresses, and where a Unix socket is. Thread: any (values).
#pragma once

#include <string>
#include <string_view>

namespace weir {

// Whether `host` is the folder of a Unix socket (/dir) or stands for an abstract one (@name), as in
// libpq, rather than something on a network.
inline bool is_unix_host(std::string_view host) {
    return host.starts_with('/') || host.starts_with('@');
}

// The Unix socket of `port` in `folder` ("/dir" or "@name"), by PostgreSQL's convention.
inline std::string unix_socket_path(const std::string& folder, int port) {
    return folder + "/.s.PGSQL." + std::to_string(port);
}

}  // namespace weir
