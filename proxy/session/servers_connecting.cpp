// Servers: from a reserved slot to a server that has logged in; TLS between the two is in
// servers_tls.cpp.
#include <sys/socket.h>

#include <cstring>

#include "conf/host.h"
#include "conf/logging.h"
#include "proxy/server/server_login.h"
#include "proxy/session/dedicated.h"
#include "proxy/session/host_lookup.h"
#include "proxy/session/leasing.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/relay/evidence.h"
#include "proxy/session/servers.h"

namespace weir {

void Servers::open(ServerConnection& server) {
    if (const WorkerId worker = server.load_owner().worker; worker != ctx_.id) {
        WorkerMessage message;
        message.kind = WorkerMessage::Kind::OpenServer;
        message.server = &server;
        return ctx_.shared.exchange.post(worker, std::move(message));
    }
    server.phase = ServerPhase::Connecting;
    server.id = ctx_.shared.last_id.fetch_add(1, std::memory_order_relaxed) + 1;
    server.connected_at = server.requested_at = ctx_.now;
    ctx_.owned.push_back(server);
    if (log::is_enabled(LogLevel::Debug))
        log::debug(log_peer(server), "launching new connection to server");
    if (server.is_dedicated() && !ctx_.dedicated->attach(server))
        return close(server, "replication client disconnected");
    const DatabaseConfig database = server.pool->database();
    server.port = database.port;
    if (!database.hosts.empty()) {
        const size_t turn = server.pool->next_host(database.hosts.size(), ctx_.now);
        server.host = database.hosts[turn];
        server.host_turn = static_cast<uint32_t>(turn);
        if (turn < database.ports.size()) server.port = database.ports[turn];
    }
    const Duration limit = ctx_.config->global.server_connect_timeout;
    if (limit.count() > 0) ctx_.deadlines.arm(server, ctx_.now + limit);
    connect(server);
}

void Servers::connect(ServerConnection& server) {
    const auto address = address_of(ctx_, server.host, server.port);
    if (!address) return unresolved_.push_back(&server);
    if (*address) return connect_to(server, **address);
    const Error& error = address->error();
    const bool has_name = !server.host.empty() && !is_unix_host(server.host);
    close(server, has_name ? "server DNS lookup failed" : error.message, error);
}

void Servers::on_resolved() {
    std::vector<ServerConnection*> waiting;
    waiting.swap(unresolved_);
    for (ServerConnection* server : waiting)
        connect(*server);
}

void Servers::connect_to(ServerConnection& server, const Address& address) {
    server.address = address;
    if (server.attempt == nullptr) {
        const GlobalConfig& global = ctx_.config->global;
        server.attempt =
            std::make_unique<TlsAttempt>(global.server_tls_sslmode, global.server_tls_negotiation,
                                         address.family() == AF_UNIX, ctx_.tls->server != nullptr);
    }
    server.phase = ServerPhase::Connecting;
    const Result<int> fd = ctx_.io.connect(address);
    if (!fd) return close(server, "connect failed", Error("08006", fd.error().message));
    server.fd = *fd;
    server.registered_with = ctx_.id;
    server.reads = false;
    server.writes = true;
    ctx_.io.add(server.fd, watch_of(server), WorkerContext::interest(server));
}

void Servers::on_connected(ServerConnection& server) {
    if (const int error = ctx_.io.connect_result(server.fd); error != 0) {
        const std::string text = std::string("connect failed: ") + std::strerror(error);
        log::warning(log_peer(server), "cannot connect: {}", std::strerror(error));
        return close(server, "connect failed", Error("08006", text));
    }
    server.local_address = ctx_.io.local_address(server.fd);
    log_connected(server);
    if (log::is_enabled(LogLevel::Debug)) log::debug(log_peer(server), "S: connect ok");
    take_step(server, server.attempt->first_step());
}

void Servers::log_connected(const ServerConnection& server) const {
    if (!ctx_.config->global.log_connections) return;
    if (server.address.is_unix()) return log::info(log_peer(server), "new connection to server");
    LogPeer here;
    here.host = server.local_address.host();
    here.port = server.local_address.port();
    log::info(log_peer(server), "new connection to server (from {})", here.address());
}

void Servers::start_login(ServerConnection& server) {
    server.phase = ServerPhase::LoggingIn;
    server.login = std::make_unique<ServerLogin>(server.pool->group().credentials(),
                                                 server.pool->database(), extras(server));
    if (server.tls != nullptr) server.login->set_end_point_hash(server.tls->end_point_hash());
    set_interest(server, true, false);
    send(server, server.login->start());
}

StartupExtras Servers::extras(const ServerConnection& server) const {
    const bool asks_for_32 = ctx_.config->global.server_protocol == ServerProtocol::V32;
    StartupExtras out;
    out.version = asks_for_32 ? kProtocol32 : kProtocol30;
    if (server.is_dedicated()) out.parameters = ctx_.dedicated->startup_parameters(server);
    return out;
}

bool Servers::on_login_bytes(ServerConnection& server, ByteView input) {
    size_t used = 0;
    std::string reply;
    while (true) {
        const Piece piece = server.parser.peek(input.subspan(used));
        if (piece.kind == Piece::Kind::NeedMore) break;
        if (piece.kind != Piece::Kind::Start || piece.length > kAuthMessageBytesMax) {
            close(server, "invalid message from server during login",
                  Error("08P01", "invalid message from server during login"));
            return false;
        }
        if (!piece.is_complete()) break;
        server.parser.consume(piece);
        used += piece.bytes.size();
        const Result<bool> done =
            server.login->on_message(static_cast<BackendTag>(piece.tag), piece.body(), reply);
        if (!done) {
            const Error error = done.error();
            if (connect_otherwise(server, error)) return false;
            log::warning(log_peer(server), "server login failed: {}{}",
                         server.login->was_refused() ? "FATAL " : "", error.message);
            server.has_said_why = server.login->was_refused();
            close(server, "login failed", error);
            return false;
        }
        if (*done) {
            // A farewell (57P01), say.
            if (used < input.size() || ctx_.channel(server).has_unread()) {
                server.has_said_why = true;
                close(server, "server said more than it was asked for",
                      Error("08006", "server said more than it was asked for"));
                return false;
            }
            on_logged_in(server);
            return false;  // it may be anybody's now
        }
    }
    server.held.append(input.subspan(used));
    if (!reply.empty() && !send(server, reply)) return false;
    return true;
}

void Servers::on_logged_in(ServerConnection& server) {
    if (auto keys = server.login->derived_keys()) {
        PoolGroup& group = server.pool->group();
        ServerCredentials credentials = group.credentials();
        credentials.derived_keys = std::move(keys);
        group.set_credentials(std::move(credentials));
    }
    server.backend_key = server.login->backend_key();
    Welcome welcome = server.login->welcome();
    for (const auto& [name, value] : welcome.parameters) {
        if (name == kInHotStandby) note_hot_standby(ctx_, server, value);
        if (const int index = ctx_.shared.names.index_of(name); index >= 0) {
            server.parameters.set(static_cast<size_t>(index), value);
        }
    }
    // Routed clients change between backends all the time: they are not told of each.
    if (server.pool->endpoint() != nullptr) {
        std::erase_if(welcome.parameters,
                      [](const auto& parameter) { return parameter.first == kInHotStandby; });
    }
    // What is told to one replication client is not what others are to be told.
    server.welcome = server.is_dedicated() ? std::make_shared<const Welcome>(std::move(welcome))
                                           : server.pool->group().intern(welcome);
    note_login(ctx_, server);
    ctx_.stats.server_logins.record(ctx_.now - server.connected_at);
    // Its name may have got other addresses while it logged in.
    if (server.address.is_set() && !server.address.is_unix() &&
        !ctx_.shared.hosts.is_current(server.host, server.address.host())) {
        server.epoch = 0;
    }
    if (server.tls != nullptr) note_tls_session(server);
    server.login.reset();
    server.attempt.reset();
    ctx_.deadlines.disarm(server);
    if (log::is_enabled(LogLevel::Debug)) {
        log::debug(log_peer(server), "server login ok, start accepting queries (pid {})",
                   server.backend_pid());
    }
    const DatabaseConfig database = server.pool->database();
    const bool runs_sql = server.replication != Replication::Physical;
    if (runs_sql && database.connect_query && !database.connect_query->empty()) {
        server.phase = ServerPhase::Cleaning;  // the query is swallowed like a clean-up's
        server.clean_by = ctx_.now + ctx_.config->global.server_connect_timeout;
        server.is_new = true;
        start_query(server, *database.connect_query);
        return;
    }
    ctx_.leasing->give_back(server, true);
}

}  // namespace weir
