// Dedicated: the server connections of replication clients. Each is opened at the login of its one
// client, with the client's own start-up parameters, linked to it as soon as it is ready, and
// closed with it; whatever the pool mode is. Physical replication cannot even run a SET or a reset
// query, so nothing of ours is ever sent on such a connection but, for logical replication,
// connect_query.
//
// Pool counts it like any other connection and says when it may be opened. Owner: Worker.
// Thread: the worker's.
#pragma once

#include <optional>
#include <string_view>

#include "proxy/server/server_login.h"
#include "proxy/session/context.h"

namespace weir {

class Dedicated {
  public:
    explicit Dedicated(WorkerContext& context) : ctx_(context) {}

    // A slot that the pool has reserved for a session of this worker is about to connect. False:
    // the session is gone.
    bool attach(ServerConnection& server);
    // What its client wants in the start-up packet.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> startup_parameters(
        const ServerConnection& server);
    // It is logged in: ends its client's login. The connection may be closed afterwards.
    void begin(ServerConnection& server);
    // It never came so far. Its client, if there still is one, is told or sent to another backend.
    void on_failed(ServerConnection& server, std::string_view reason,
                   const std::optional<Error>& failure);
    // The client has ended, or asks elsewhere, while its connection was being opened.
    void on_client_gone(ClientSession& session);
    // The client has ended, or has to: its connection, too.
    void end(ClientSession& session);
    // Closes those that were opened before their pool was recycled, at once: they never come back.
    void close_obsolete();

  private:
    [[nodiscard]] ClientSession* session_of(const ServerConnection& server);
    void decline(ClientSession& session, ServerConnection& server);
    void detach(ServerConnection& server);

    WorkerContext& ctx_;
};

}  // namespace weir
