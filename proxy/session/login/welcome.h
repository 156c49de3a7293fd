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

// `welcome` is what a server of its pool has said at login. A session that has its server already
// (see Dedicated) has that one's parameters, too.
void welcome_client(WorkerContext& ctx, ClientSession& session,
                    std::shared_ptr<const Welcome> welcome, const WantedParameters& wanted);
// The application_name with the client's address behind it: `app - 1.2.3.4:5`, cut to what
// PostgreSQL keeps of it.
std::string name_with_host(WorkerContext& ctx, const ClientSession& session,
                           std::string_view application_name);
void welcome_to_console(WorkerContext& ctx, ClientSession& session);

}  // namespace weir
