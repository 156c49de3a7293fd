#include "proxy/session/log_peer.h"

#include "conf/host.h"

namespace weir {

LogPeer log_peer(const WorkerContext& ctx, const ClientSession& session) {
    LogPeer out;
    out.id = session.id;
    out.database = session.database;
    out.user = session.user;
    out.is_unix = session.is_unix;
    if (session.is_unix) {
        out.port = static_cast<uint16_t>(ctx.config->global.listen_port);
        if (session.fd >= 0) out.pid = ctx.io.peer_pid(session.fd);
    } else {
        out.host = session.peer.host();
        out.port = session.peer.port;
    }
    return out;
}

LogPeer log_peer(const ServerConnection& server) {
    LogPeer out;
    out.side = LogPeer::Side::Server;
    out.id = server.id;
    out.database = server.pool->key().database;
    out.user = server.pool->key().user;
    out.port = server.port;
    if (!server.address.is_set()) {
        out.host = server.host;  // not resolved, or not tried yet
        out.is_unix = server.host.empty() || is_unix_host(server.host);
    } else if (server.address.is_unix()) {
        out.is_unix = true;
    } else {
        out.host = server.address.host();
    }
    return out;
}

}  // namespace weir
