// Servers: TLS to a server, from the connected socket to the start-up message.
#include <array>
#include <cerrno>

#include "conf/logging.h"
#include "protocol/message/startup.h"
#include "proxy/server/server_login.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/relay/relay.h"
#include "proxy/session/servers.h"

namespace weir {

namespace {

// What sessions are kept by: whom they were made with.
std::string name_of(const ServerConnection& server) {
    return server.host + " " + server.address.host() + " " + std::to_string(server.address.port());
}

}  // namespace

void Servers::take_step(ServerConnection& server, TlsAttempt::Step step) {
    switch (step) {
        case TlsAttempt::Step::LogIn: return start_login(server);
        case TlsAttempt::Step::Ask:
            server.phase = ServerPhase::Securing;
            set_interest(server, true, false);
            send(server, make_ssl_request());
            return;
        case TlsAttempt::Step::Handshake: return start_tls(server);
    }
}

void Servers::start_tls(ServerConnection& server) {
    server.phase = ServerPhase::Securing;
    server.attempt->handshake_began_at = ctx_.now;
    const SslSessionPtr session = ctx_.shared.tls_sessions.take(name_of(server));
    server.attempt->was_session_offered = session != nullptr;
    const bool is_direct = server.attempt->first_step() == TlsAttempt::Step::Handshake;
    server.tls =
        TlsStream::connect(ctx_.tls->server, server.fd,
                           {.host = server.host, .is_direct = is_direct, .session = session.get()});
    ctx_.io.modify(server.fd, watch_of(server), WorkerContext::interest(server));
    shake_hands(server);
}

void Servers::on_secure_event(ServerConnection& server) {
    server.tls == nullptr ? on_tls_answer(server) : shake_hands(server);
}

// No more than the answer may be there: see TlsAttempt.
void Servers::on_tls_answer(ServerConnection& server) {
    std::array<uint8_t, 16> answer{};
    const ssize_t n = ctx_.io.receive(server.fd, answer);
    if (n == -EAGAIN) return;
    if (n <= 0) {
        const Error lost("08006", "server closed the connection when asked for TLS");
        return close(server, lost.message, lost);
    }
    const Result<TlsAttempt::Step> step =
        server.attempt->on_answer(ByteView(answer).first(static_cast<size_t>(n)));
    if (!step) return close(server, step.error().message, step.error());
    take_step(server, *step);
}

void Servers::shake_hands(ServerConnection& server) {
    switch (server.tls->handshake()) {
        case TlsStream::Progress::Wait:
            return set_interest(server, true, server.tls->wants_to_write());
        case TlsStream::Progress::Failed: {
            const Error failed(server.tls->is_lost() ? "08006" : "08001",
                               "TLS handshake failed: " + server.tls->error());
            log::warning(log_peer(server), "{}", failed.message);
            if (server.attempt->retry_after_handshake()) return connect_again(server);
            return close(server, failed.message, failed);
        }
        case TlsStream::Progress::Done: break;
    }
    ctx_.stats.server_tls_handshakes.record(ctx_.now - server.attempt->handshake_began_at);
    if (ctx_.config->global.log_connections) {
        log::info(log_peer(server), "SSL established: {}", server.tls->description());
    }
    start_login(server);
}

// The other way; the server has not been logged in to, so nothing is lost with this connection.
void Servers::connect_again(ServerConnection& server) {
    ctx_.io.close(server.fd);
    server.fd = -1;
    server.tls.reset();
    server.login.reset();
    server.parser.reset();
    server.held.clear();
    server.outbox.clear();
    connect_to(server, Address(server.address));
}

bool Servers::connect_otherwise(ServerConnection& server, const Error& refusal) {
    const bool is_refusal = server.login->was_refused() && !server.login->is_authenticated();
    if (!is_refusal || !server.attempt->retry_after_refusal(refusal.sqlstate)) return false;
    log::info(log_peer(server), "refused {} TLS, trying {}: {}",
              server.tls == nullptr ? "without" : "with",
              server.tls == nullptr ? "with it" : "without", refusal.message);
    connect_again(server);
    return true;
}

void Servers::note_tls_session(ServerConnection& server) {
    ctx_.shared.tls_sessions.note(name_of(server), *server.tls,
                                  server.attempt->was_session_offered);
}

// What is left in its TLS after a read would else be forgotten.
void Servers::note_unread(ServerConnection& server) {
    if (ctx_.channel(server).has_unread()) ctx_.come_back(watch_of(server));
}

// Its TLS took something that was no bytes of the server's (new keys, a ticket), after which the
// connection may be free.
void Servers::on_nothing_to_read(ServerConnection& server) {
    if (server.tls->wants_to_write()) {
        set_interest(server, server.reads, true);
    } else if (server.client != nullptr && server.phase == ServerPhase::Relaying) {
        (void)ctx_.relay->from_server(server, {});
    }
}

}  // namespace weir
