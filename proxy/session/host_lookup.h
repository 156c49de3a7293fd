// Where a host of the configuration is, for whoever connects to it: a server, a peer.
// Thread: the worker's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "proxy/session/context.h"

namespace weir {

// Where `host` listens at `port`. A folder: the socket in it; empty: the one in unix_socket_dir. A
// name: the address that is known now, or nothing while it is being looked up (the control thread
// is told when that is due; WorkerMessage::Kind::Resolved says when to ask again). Error 08006.
std::optional<Result<Address>> address_of(const WorkerContext& ctx, const std::string& host,
                                          uint16_t port);

}  // namespace weir
