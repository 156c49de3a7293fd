// Evidence: tells the endpoint behind a server connection what the traffic saw of it; health judges
// by it (health/outcome.h says what counts). For a plain database there is no endpoint, and these
// do nothing, but that a pool is told of logins that ask for fewer connections. Thread: the
// worker's that owns the connection.
#pragma once

#include <string_view>

#include "protocol/message/backend.h"
#include "proxy/session/context.h"

namespace weir {

// A connection has logged in.
void note_login(const WorkerContext& ctx, const ServerConnection& server);
// It did not; `failure` says why, its phase how far it came.
void note_login_failure(const WorkerContext& ctx, const ServerConnection& server,
                        const Error& failure);
// The server has said of itself whether it is a hot standby (ParameterStatus in_hot_standby).
void note_hot_standby(const WorkerContext& ctx, ServerConnection& server, std::string_view value);
// A query of its client has been answered after `latency`.
void note_latency(const WorkerContext& ctx, const ServerConnection& server, Duration latency);
// A transaction of its client has ended; its trial, if it was one, has succeeded.
void note_transaction(const WorkerContext& ctx, ServerConnection& server);
// An ErrorResponse after the login.
void note_error(const WorkerContext& ctx, ServerConnection& server, const ErrorView& error);
// The stream has ended and nobody here asked for it.
void note_lost(const WorkerContext& ctx, const ServerConnection& server);

}  // namespace weir
