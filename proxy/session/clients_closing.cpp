// Clients: the end of a session: what the client is told, what is given back, when the socket goes.
#include "conf/logging.h"
#include "protocol/message/writer.h"
#include "proxy/session/clients.h"
#include "proxy/session/dedicated.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/leasing.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/login/access.h"
#include "proxy/session/login/client_login.h"
#include "proxy/session/throttle.h"

namespace weir {

namespace {

constexpr Duration kLingerMax = std::chrono::seconds(2);

}  // namespace

void Clients::close(ClientSession& session, std::string_view reason) {
    if (session.phase == ClientPhase::Free) return;
    if (session.phase != ClientPhase::Closing) {
        log_closing(session, reason);
        note_end(ctx_, session, reason);
        release_units(session);
    }
    free(session);
}

void Clients::fail(ClientSession& session, const Error& error) {
    if (session.phase == ClientPhase::Free || session.phase == ClientPhase::Closing) return;
    log_closing(session, error.message);
    ctx_.stats.own_errors.note(error.sqlstate);
    note_end(ctx_, session, error.message, error.sqlstate);
    if (ctx_.config->global.log_pooler_errors && session.phase != ClientPhase::CancelRequest) {
        log::warning(log_peer(ctx_, session), "pooler error: {}", error.message);
    }
    const bool is_mid_reply = session.server != nullptr &&
                              session.server->parser.is_mid_message() &&
                              session.server->is_stream_forwarded;
    release_units(session);
    session.held.clear();
    session.phase = ClientPhase::Closing;
    session.is_suspended = false;
    // Nor can it be told before the handshake is done.
    const bool is_shaking_hands = session.tls != nullptr && !session.tls->is_established();
    if (is_mid_reply || is_shaking_hands)
        return free(session);  // an error in the middle of a row would be read as the row
    std::string text;
    write_error(text, {.severity = "FATAL",
                       .sqlstate = error.sqlstate,
                       .message = error.message,
                       .detail = error.detail});
    ctx_.sends.settle(session.fd);
    session.outbox.append(as_bytes(text));
    if (flush_backlog(ctx_.channel(session), session.outbox) < 0) return free(session);
    if (session.outbox.empty()) ctx_.channel(session).finish();
    linger(session);
}

void Clients::protocol_violation(ClientSession& session, std::string_view what) {
    fail(session, Error("08P01", std::string(what)));
}

// OpenSSL has told the client why, if it could: that must arrive.
void Clients::fail_tls(ClientSession& session) {
    if (!session.tls->is_established()) ctx_.stats.client_tls_handshakes_failed.add(1);
    const std::string why =
        (session.tls->is_established() ? "TLS connection broken: " : "TLS handshake failed: ") +
        session.tls->error();
    static RateLimit limit(10);
    if (const auto suppressed = limit.admit(ctx_.now)) {
        log::warning(log_peer(ctx_, session), "{} ({} more suppressed)", why, *suppressed);
    }
    log_closing(session, why);
    release_units(session);
    session.held.clear();
    session.outbox.clear();
    session.tls.reset();
    session.phase = ClientPhase::Closing;
    ctx_.io.shutdown_send(session.fd);
    linger(session);
}

// Waits for the client to read what it was told and to hang up: closing with unread input would
// reset the connection and lose the message.
void Clients::linger(ClientSession& session) {
    set_interest(session, true, !session.outbox.empty());
    ctx_.deadlines.disarm(session);
    ctx_.deadlines.arm(session, ctx_.now + kLingerMax);
}

// Everything that others see of the session ends here; the socket may live on a little.
void Clients::release_units(ClientSession& session) {
    if (session.opening != nullptr) ctx_.dedicated->on_client_gone(session);
    ctx_.leasing->leave_queue(session);
    if (session.server != nullptr) ctx_.leasing->orphan(session);
    Throttle::end(session, ctx_.now);
    ctx_.leaks->on_session_end(session);
    if (session.ReadyHook::is_linked()) ctx_.ready.remove(session);
    if (session.phase == ClientPhase::Console) {
        ControlMessage message;
        message.kind = ControlMessage::Kind::ConsoleDisconnect;
        message.client = session.client_id();
        ctx_.shared.exchange.post_control(std::move(message));
    }
    if (session.holds_client_units) {
        session.holds_client_units = false;
        ctx_.shared.pools.clients.release();
        if (session.pool != nullptr) {
            session.group->database_state().clients.release();
            session.group->leave(ctx_.now);
            ctx_.shared.pools.user(*ctx_.config, session.user).clients.release();
        }
    }
}

void Clients::retire_login(ClientSession& session) {
    if (session.login == nullptr) return;
    ctx_.retired_logins.push_back(std::move(session.login));
    ctx_.shared.logins.fetch_sub(1, std::memory_order_relaxed);
}

void Clients::free(ClientSession& session) {
    retire_login(session);
    ctx_.sends.settle(session.fd);
    ctx_.io.close(session.fd);
    forget(session);
}

void Clients::forget(ClientSession& session) {
    ctx_.deadlines.disarm(session);
    if (session.adopted_key != nullptr) ctx_.shared.adopted_keys.erase(*session.adopted_key);
    session.reset();
    ctx_.clients_slab.give_back(session);
    ctx_.client_count.fetch_sub(1, std::memory_order_relaxed);
}

void Clients::log_closing(const ClientSession& session, std::string_view reason) {
    if (!ctx_.config->global.log_disconnections || reason.empty()) return;
    log::info(log_peer(ctx_, session), "closing because: {} (age={}s)", reason,
              (ctx_.now - session.connected_at).count() / 1'000'000);
}

void Clients::close_all(std::string_view reason) {
    for (uint32_t slot = 0; slot < ctx_.clients_slab.capacity(); ++slot) {
        ClientSession& session = *ctx_.clients_slab.at(slot);
        if (session.phase != ClientPhase::Free) close(session, reason);
    }
}

int Clients::detach(ClientSession& session) {
    release_units(session);
    retire_login(session);
    const int fd = session.fd;
    ctx_.io.remove(fd);
    forget(session);
    return fd;
}

void Clients::let_go(ClientSession& session) {
    ctx_.leasing->leave_queue(session);
    if (session.ReadyHook::is_linked()) ctx_.ready.remove(session);
    if (session.server != nullptr) session.server->client = nullptr;
    session.server = session.opening = nullptr;
    session.phase = ClientPhase::Closing;  // nobody is told
    const int fd = detach(session);
    ctx_.io.close(fd);
}

}  // namespace weir
