// Sockets: options, listening, accepting. Descriptors are close-on-exec and non-blocking.
// Thread: any (no state).
#pragma once

#include <optional>
#include <string>

#include "conf/config.h"
#include "proxy/runtime/address.h"

namespace weir {

struct SocketOptions {
    bool keepalive = true;
    int keepcnt = 0;
    int keepidle_s = 0;
    int keepintvl_s = 0;
    int user_timeout_ms = 0;
    int buffer_bytes = 0;
};
SocketOptions socket_options_of(const GlobalConfig& global);

// TCP_NODELAY, keepalive and the like; nothing for a Unix socket. 0 in an option = the system's
// default. A connection within the machine is spared the system's congestion control.
void apply_options(int fd, const Address& address, const SocketOptions& options);

// A listening socket. The error says which address (by `name`) and why.
Result<int> listen_on(const Address& address, const std::string& name, int backlog,
                      bool reuse_port);

// Our own end of a socket; not set when it has none.
Address local_address_of(int fd);

// Accepts one connection: its descriptor and the peer's address; -errno when there is none.
int accept_on(int fd, Address& peer);

}  // namespace weir
