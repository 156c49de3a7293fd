#include "proxy/session/servers.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "conf/logging.h"
#include "protocol/message/writer.h"
#include "proxy/server/cleanup.h"
#include "proxy/server/server_login.h"
#include "proxy/session/cancels.h"
#include "proxy/session/clients.h"
#include "proxy/session/dedicated.h"
#include "proxy/session/evidence.h"
#include "proxy/session/host_lookup.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/leasing.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/query_recorder.h"
#include "proxy/session/relay.h"
#include "proxy/session/routing.h"
#include "proxy/session/secret_lookups.h"

namespace weir {

// The id is new for every connection of a slot, so an event fetched for an earlier one is
// recognised.
Watch Servers::watch_of(const ServerConnection& server) {
    return Watch::of(Watch::Kind::Server, &server, static_cast<uint32_t>(server.id));
}

// ---- connecting ----

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
    const std::string& host = server.host;
    if (host.empty() || host[0] == '/' || host[0] == '@') {
        const std::string& dir = host.empty() ? ctx_.config->global.unix_socket_dir : host;
        const auto address = Address::from_unix((dir.empty() ? "/tmp" : dir) + "/.s.PGSQL." +
                                                std::to_string(server.port));
        if (!address)
            return close(server, address.error().message, Error("08006", address.error().message));
        return connect_to(server, *address);
    }
    const HostTable::Answer answer = look_up(ctx_, host);
    switch (answer.kind) {
        case HostTable::Answer::Kind::Pending: unresolved_.push_back(&server); return;
        case HostTable::Answer::Kind::Failed:
            return close(server, "server DNS lookup failed",
                         Error("08006", "DNS lookup failed: " + host + ": " + answer.error));
        case HostTable::Answer::Kind::Known:
            return connect_to(server, *Address::from_ip(answer.ip, server.port));
    }
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
    ctx_.io.add(server.fd, watch_of(server), false, true);
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

void Servers::start_login(ServerConnection& server) {
    server.phase = ServerPhase::LoggingIn;
    server.login = std::make_unique<ServerLogin>(server.pool->group().credentials(),
                                                 server.pool->database(), extras(server));
    if (server.tls != nullptr) server.login->set_end_point_hash(server.tls->end_point_hash());
    set_interest(server, true, false);
    send(server, server.login->start());
}

void Servers::log_connected(const ServerConnection& server) const {
    if (!ctx_.config->global.log_connections) return;
    if (server.address.is_unix()) return log::info(log_peer(server), "new connection to server");
    LogPeer here;
    here.host = server.local_address.host();
    here.port = server.local_address.port();
    log::info(log_peer(server), "new connection to server (from {})", here.address());
}

StartupExtras Servers::extras(const ServerConnection& server) const {
    const bool asks_for_32 = ctx_.config->global.server_protocol == ServerProtocol::V32;
    StartupExtras out;
    out.version = asks_for_32 ? kProtocol32 : kProtocol30;
    if (server.is_dedicated()) out.parameters = ctx_.dedicated->startup_parameters(server);
    return out;
}

// ---- events ----

void Servers::on_event(ServerConnection& server, const IoEvent& event) {
    ServerOwner owner = server.load_owner();
    if (owner.worker != ctx_.id || owner.state == LedgerState::Free) return;  // a stale event
    if (owner.state == LedgerState::Idle) {
        // Anything readable on an idle connection (the end of the stream, a notice, a changed
        // setting) is handled by its home worker, which takes it out of idle first.
        if (!server.pool->take_idle(server, static_cast<uint16_t>(owner.generation), ctx_.id))
            return;
        ctx_.owned.push_back(server);
        owner = server.load_owner();
        if (event.watch.generation() == static_cast<uint16_t>(server.id)) read(server);
        const bool is_still_ours = server.load_owner() == owner && server.client == nullptr;
        if (!is_still_ours) return;
        if (!server.is_clean()) {
            // It said farewell (57P01), and its end is only behind that.
            return close(server, server.has_said_why
                                     ? "server conn crashed?"
                                     : "server sent something unexpected while idle");
        }
        return ctx_.leasing->give_back(server, false);
    }
    // Granted to us, but its message is still in the inbox; or an event of the slot's earlier
    // connection.
    if (server.registered_with != ctx_.id) return;
    if (event.watch.generation() != static_cast<uint16_t>(server.id)) return;
    if (server.phase == ServerPhase::Connecting) {
        if (server.fd >= 0 && (event.writable || event.readable)) on_connected(server);
        return;
    }
    if (server.phase == ServerPhase::Securing) return on_secure_event(server);
    if (server.phase == ServerPhase::Closing) return farewell_.on_readable(server);
    // A read that had to write first goes on as well.
    const bool may_go_on = event.writable && server.tls != nullptr && server.tls->wants_to_write();
    if (event.writable && server.writes) write(server);
    if (server.load_owner() != owner || server.fd < 0) return;
    if ((event.readable || may_go_on) && server.reads) read(server);
}

void Servers::read(ServerConnection& server) {
    const ServerOwner owner = server.load_owner();
    for (int rounds = ctx_.reads_max(); rounds > 0; --rounds) {
        if (server.client != nullptr && !server.client->outbox.empty()) {
            // The client takes its time: do not read what it cannot be given.
            return set_interest(server, false, server.writes);
        }
        const size_t held = server.held.size();
        WEIR_CHECK(held <= WorkerContext::kInputBytes / 2);
        const std::span<uint8_t> into(ctx_.input.get() + held, WorkerContext::kInputBytes - held);
        const ssize_t n = ctx_.channel(server).receive(into);
        if (n == -EAGAIN) {
            if (server.tls != nullptr) on_nothing_to_read(server);
            return;
        }
        if (n <= 0) {
            std::string text = "server conn crashed?";
            if (n == -EPROTO && server.tls != nullptr)
                text = "TLS connection broken: " + server.tls->error();
            const bool is_login = server.phase == ServerPhase::LoggingIn;
            server.is_stream_over = true;
            if (!is_login && server.phase != ServerPhase::Closing) note_lost(ctx_, server);
            return close(server, text,
                         is_login ? std::optional<Error>(Error("08006", text)) : std::nullopt);
        }
        if (held > 0) std::memcpy(ctx_.input.get(), server.held.view().data(), held);
        server.held.clear();
        const ByteView input(ctx_.input.get(), held + static_cast<size_t>(n));
        const bool is_alive = server.phase == ServerPhase::LoggingIn
                                  ? on_login_bytes(server, input)
                                  : ctx_.relay->from_server(server, input);
        if (!is_alive || server.load_owner() != owner) return;
        const bool has_unread = server.tls != nullptr && server.tls->has_unread();
        if (static_cast<size_t>(n) < into.size() && !has_unread) return;
    }
    note_unread(server);
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
            close(server, "login failed", error);
            return false;
        }
        if (*done) {
            const bool has_unread = server.tls != nullptr && server.tls->has_unread();
            if (used < input.size() || has_unread) {  // a farewell (57P01), say
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

void Servers::on_deadline(ServerConnection& server) {
    switch (server.phase) {
        case ServerPhase::Connecting:
        case ServerPhase::Securing:
        case ServerPhase::LoggingIn: {
            const Instant due = server.connected_at + ctx_.config->global.server_connect_timeout;
            if (ctx_.now < due) return ctx_.deadlines.arm(server, due);
            ctx_.leaks->on_half_login(server);
            return close(server, "connect timeout", Error("08006", "connect timeout"));
        }
        case ServerPhase::Cleaning:
            if (ctx_.now >= server.clean_by)
                return close(server, "server could not be cleaned in time");
            return clean(server);
        case ServerPhase::Relaying:
            if (is_stalled(server)) close(server, "server stopped in the middle of a message");
            return;
        case ServerPhase::Closing: return farewell_.finish(server);
        default: return;
    }
}

// It owes nothing, yet has begun to say something.
bool Servers::is_stalled(const ServerConnection& server) {
    return server.tracker.is_releasable() &&
           (!server.held.empty() || server.parser.is_mid_message());
}

void Servers::watch_stall(ServerConnection& server) {
    if (is_stalled(server)) ctx_.deadlines.arm(server, ctx_.now + kStallMax);
}

// ---- cleaning ----

void Servers::start_query(ServerConnection& server, std::string_view sql) {
    std::string query;
    write_query(query, sql);
    server.unnamed_of = {};  // a simple query drops it
    server.tracker.sent(Request::Query, Origin::Proxy);
    send(server, query);
}

void Servers::clean(ServerConnection& server) {
    if (server.is_own_query_failed && server.tracker.pending() == 0) {
        if (!server.is_new) return close(server, "reset query failed");
        return close(server, "connect_query failed", Error("08006", "connect_query failed"));
    }
    const Instant grace = server.requested_at + kCancelGrace;
    std::string text;
    switch (next_cleanup_step(server, false, ctx_.now >= grace)) {
        case CleanupStep::Close:
            return close(server, "client disconnect while server was not ready");
        case CleanupStep::SendCopyFail:
            server.is_copy_fail_sent = true;
            write_copy_fail(text, "client is gone");
            server.tracker.sent(Request::CopyEnd, Origin::Proxy);
            if (!send(server, text)) return;
            if (server.client == nullptr && server.fd >= 0) clean(server);
            return;
        case CleanupStep::SendSync:
            write_empty(text, FrontendTag::Sync);
            server.tracker.sent(Request::Sync, Origin::Proxy);
            if (send(server, text)) ctx_.deadlines.arm(server, grace);
            return;
        case CleanupStep::Cancel:
            server.is_cancel_sent = true;
            ctx_.cancels->start(server, {});
            ctx_.deadlines.arm(server, server.clean_by);
            return;
        case CleanupStep::Wait:
            ctx_.deadlines.arm(server, ctx_.now < grace ? grace : server.clean_by);
            return;
        case CleanupStep::Rollback:
            start_query(server, "ROLLBACK");
            if (server.fd >= 0) ctx_.deadlines.arm(server, grace);
            return;
        case CleanupStep::Reset:
            server.is_reset_sent = true;
            start_query(server, ctx_.config->global.server_reset_query);
            if (server.fd >= 0) ctx_.deadlines.arm(server, server.clean_by);
            return;
        case CleanupStep::Done:
            server.is_cancel_sent = server.is_copy_fail_sent = false;
            if (server.is_reset_needed) {
                server.statements.clear();
                server.unnamed_of = {};
            }
            server.is_reset_needed = server.is_reset_sent = false;
            const bool is_new = server.is_new;
            server.is_new = false;
            return ctx_.leasing->give_back(server, is_new);
    }
}

void Servers::on_close_request(ServerConnection& server, uint64_t id, std::string_view reason) {
    // It may have ended by itself in the meantime, and the slot be another's.
    const ServerOwner owner = server.load_owner();
    if (server.id != id || owner.worker != ctx_.id || owner.state != LedgerState::Leased) return;
    if (server.phase != ServerPhase::Ready) return;
    ctx_.owned.push_back(server);
    close(server, reason);
}

void Servers::on_cancel_done(ServerConnection& server) {
    if (server.phase == ServerPhase::BeingCancelled && server.cancels_in_flight == 0) {
        // It may have said farewell (57P01) while it was withheld.
        if (!server.is_clean())
            return close(server, "server sent something unexpected while withheld");
        ctx_.leasing->give_back(server, false);
    }
}

// ---- output, the end ----

bool Servers::send(ServerConnection& server, std::string_view text) {
    ctx_.to_server.append_copy(text);
    return flush(server);
}

bool Servers::flush(ServerConnection& server) {
    if (ctx_.to_server.empty()) return true;
    if (ctx_.to_server.flush(ctx_.channel(server), server.outbox) < 0) {
        // There may be a last word of the server's to be read (57P01) before the end of the stream:
        // the read event will find both. Only the sending side is known to be broken.
        server.outbox.clear();
        if (!server.reads) set_interest(server, true, false);
        if (server.client == nullptr) {
            close(server, "server conn crashed?");
            return false;
        }
        return true;
    }
    if (!server.outbox.empty() && !server.writes) set_interest(server, server.reads, true);
    return true;
}

void Servers::write(ServerConnection& server) {
    if (flush_backlog(ctx_.channel(server), server.outbox) < 0) {
        server.outbox.clear();
        return set_interest(server, true, false);  // reading will tell
    }
    if (!server.outbox.empty()) return;
    set_interest(server, server.reads, false);
    if (server.client != nullptr && server.client->is_read_paused) {
        server.client->is_read_paused = false;
        ctx_.clients->schedule(*server.client);
    }
}

// With nothing to wait for, the socket is not watched at all: a broken one would be reported
// without end while the client takes its time to read what came before.
void Servers::set_interest(ServerConnection& server, bool read, bool write) {
    read = read && !server.is_suspended;
    if (server.reads == read && server.writes == write) return;
    const bool was_watched = server.reads || server.writes;
    server.reads = read;
    server.writes = write;
    if (!read && !write) return ctx_.io.remove(server.fd);
    if (read) note_unread(server);
    if (!was_watched) return ctx_.io.add(server.fd, watch_of(server), read, write);
    ctx_.io.modify(server.fd, watch_of(server), read, write);
}

void Servers::close(ServerConnection& server, std::string_view reason,
                    const std::optional<Error>& failure) {
    if (server.phase == ServerPhase::Closing) return farewell_.finish(server);
    server.is_suspended = false;
    const bool was_refused = server.login != nullptr && server.login->was_refused();
    if (failure && !(server.is_dedicated() && was_refused))
        note_login_failure(ctx_, server, *failure);
    count_closing(server, reason, failure);
    if (ctx_.config->global.log_disconnections && server.id != 0) {
        log::info(log_peer(server), "closing because: {} (age={}s)", reason,
                  (ctx_.now - server.connected_at).count() / 1'000'000);
    }
    if (ClientSession* session = server.client) {
        const bool was_told = server.is_error_forwarded ||
                              (server.parser.is_mid_message() && server.is_stream_forwarded);
        ctx_.leaks->on_parting(server);
        ctx_.note_hold_end(server);
        ctx_.recorder->on_abandoned(*session, server);
        session->server = nullptr;
        server.client = nullptr;
        const bool is_unharmed = server.phase == ServerPhase::Checking;
        session->phase = ClientPhase::Idle;
        ctx_.routing->settle(*session);
        if (is_unharmed) {
            // Nothing of the client's has been sent yet: it gets another server.
            if (ctx_.leasing->request(*session)) ctx_.clients->schedule(*session);
        } else if (was_told) {
            ctx_.clients->close(*session, reason);
        } else {
            ctx_.clients->fail(*session, Error("08006", std::string(reason)));
        }
    }
    std::erase(unresolved_, &server);
    if (server.lookup != nullptr) ctx_.lookups->on_lost(server, reason);
    if (server.is_dedicated()) ctx_.dedicated->on_failed(server, reason, failure);
    farewell_.begin(server, failure);
}

void Servers::count_closing(const ServerConnection& server, std::string_view reason,
                            const std::optional<Error>& failure) {
    const bool has_logged_in = server.phase != ServerPhase::Connecting &&
                               server.phase != ServerPhase::Securing &&
                               server.phase != ServerPhase::LoggingIn;
    if (has_logged_in) ctx_.stats.note_closed(classify_close(reason));
    if (!failure) return;
    ctx_.stats.server_logins_failed.add(1);
    if (server.login != nullptr && server.login->was_refused())
        ctx_.stats.server_errors.note(failure->sqlstate);
}

// The process ends: nobody waits for theirs.
void Servers::close_all() {
    while (ServerConnection* server = ctx_.owned.front()) {
        close(*server, "shutting down");
        if (server->phase == ServerPhase::Closing) farewell_.finish(*server);
    }
}

}  // namespace weir
