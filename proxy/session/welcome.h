// The welcome: how a login ends well. AuthenticationOk, what the server (or the console) says of
// itself with the client's own wishes in their places, a cancel key, ReadyForQuery, in one send.
// Afterwards the session is in use and its ClientLogin retired. Thread: the worker's.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/session/context.h"

namespace weir {

// Tracked parameters that the start-up packet sets: index in ParameterNames, value.
using WantedParameters = std::vector<std::pair<size_t, std::string>>;

// `welcome` is what a server of its pool has said at login.
void welcome_client(WorkerContext& ctx, ClientSession& session,
                    std::shared_ptr<const Welcome> welcome, const WantedParameters& wanted);
void welcome_to_console(WorkerContext& ctx, ClientSession& session);

}  // namespace weir
