#include "proxy/session/cancel/cancels.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "protocol/auth/secret.h"
#include "protocol/message/startup.h"
#include "proxy/session/cancel/client_key.h"
#include "proxy/session/cancel/peer_cancels.h"
#include "proxy/session/cancel/peer_key.h"
#include "proxy/session/clients.h"
#include "proxy/session/leasing.h"
#include "proxy/session/relay/relay.h"
#include "proxy/session/servers.h"

namespace weir {

namespace {

constexpr const char* kUnknownKey = "failed cancel request";

Watch watch_of(const CancelConnection& cancel) {
    return Watch::of(Watch::Kind::Cancel, &cancel, cancel.generation);
}

}  // namespace

CancelKey cancel_key_of(const WorkerContext& context, const ClientSession& session) {
    if (session.adopted_key != nullptr) return *session.adopted_key;
    const ClientId id = session.client_id();
    // A slot's generation changes when it is taken and when it is given back.
    ClientKey key{id.worker, id.slot, session.cancel_secret, {}, id.generation / 2};
    const SipKey& secret = context.shared.cancel_secret;
    if (session.has_long_key) key.tail = make_key_tail(secret, key, session.id);
    return session.peer_id == 0 ? make_cancel_key(key)
                                : make_peer_key(secret, session.peer_id, key);
}

// The session that a key for this process names.
ClientKey Cancels::read(const CancelKey& key) const {
    const int our_id = ctx_.config->global.peer_id;
    return our_id > 0 && peer_of(key) == our_id ? parse_peer_key(ctx_.shared.cancel_secret, key)
                                                : parse_client_key(key);
}

// True: the key is one of a peer's, and the request is on its way there or has come to its end.
bool Cancels::is_passed_on(const CancelKey& key, ClientId requester) {
    const Config& config = *ctx_.config;
    const int peer = peer_of(key);
    const auto is_it = [peer](const PeerConfig& entry) { return entry.id == peer; };
    if (config.global.peer_id == 0 || peer == config.global.peer_id ||
        std::none_of(config.peers.begin(), config.peers.end(), is_it))
        return false;
    if (hops_left(key) == 0) {
        if (const auto suppressed = lost_.admit(ctx_.now)) {
            log::warning(
                "cancel request for peer {} has been passed on too often: do [peers] of "
                "all processes agree? ({} more not logged)",
                peer, *suppressed);
        }
        notify(requester);
        return true;
    }
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::PeerCancel;
    message.number = static_cast<uint32_t>(peer);
    message.cancel_key = with_hops(key, hops_left(key) - 1);
    message.requester = requester;
    Exchange& exchange = ctx_.shared.exchange;
    exchange.post(PeerCancels::worker_of(peer, exchange.workers()), std::move(message));
    return true;
}

// The session that the key names, whoever gave it; the secret is not looked at.
std::optional<ClientId> Cancels::find_adopted(const CancelKey& key) const {
    const AdoptedKeys& adopted = ctx_.shared.adopted_keys;
    if (const std::optional<ClientId> found = adopted.find(key)) return found;
    // Who passed it on has counted down.
    return ctx_.config->global.peer_id > 0 ? adopted.find(with_hops(key, kHopsMax)) : std::nullopt;
}

void Cancels::on_request(ClientSession& requester, const CancelKey& key) {
    requester.phase = ClientPhase::CancelRequest;
    ctx_.stats.cancels_received.add(1);
    ctx_.clients->retire_login(requester);  // it will never log in
    ctx_.deadlines.disarm(requester);
    ctx_.deadlines.arm(requester, ctx_.now + ctx_.config->global.cancel_wait_timeout);
    std::optional<ClientId> meant = find_adopted(key);
    if (!meant) {
        if (is_passed_on(key, requester.client_id())) return;
        const ClientKey parts = read(key);
        meant = ClientId{parts.slot, 0, parts.worker};
    }
    if (meant->worker >= ctx_.shared.exchange.workers())
        return tell_unknown(requester.client_id(), key);
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Cancel;
    message.client = *meant;
    message.cancel_key = key;
    message.requester = requester.client_id();
    ctx_.shared.exchange.post(meant->worker, std::move(message));
}

void Cancels::carry_out(uint32_t slot, const CancelKey& key, ClientId requester) {
    ClientSession* session =
        slot < ctx_.clients_slab.capacity() ? ctx_.clients_slab.at(slot) : nullptr;
    const bool is_there = session != nullptr && session->cancel_secret != 0;
    // Who passed it on has counted down.
    const CancelKey right = is_there ? cancel_key_of(ctx_, *session) : CancelKey();
    const CancelKey& given = is_there && session->peer_id != 0 ? with_hops(key, kHopsMax) : key;
    const bool is_right = is_there && given.process_id == right.process_id &&
                          constant_time_equal(as_bytes(given.secret), as_bytes(right.secret));
    if (!is_right) return tell_unknown(requester, key);
    const char* done = "successfully sent cancel request";
    switch (session->phase) {
        case ClientPhase::Throttled:
        case ClientPhase::Waiting:
            ctx_.leasing->leave_queue(*session);
            ctx_.relay->reject_request(*session,
                                       Error("57014", "canceling statement due to user request"));
            break;
        case ClientPhase::Active:
            if (session->server->phase == ServerPhase::Relaying &&
                session->server->backend_key.is_set()) {
                return start(*session->server, requester);
            }
            done = "cancel request for idle client";
            break;
        case ClientPhase::Console: {
            ControlMessage message;
            message.kind = ControlMessage::Kind::ConsoleCancel;
            message.client = session->client_id();
            ctx_.shared.exchange.post_control(std::move(message));
            break;
        }
        default: done = "cancel request for idle client"; break;
    }
    notify(requester, done);
}

void Cancels::tell(ClientId requester, WorkerMessage message) {
    if (requester.is_nobody()) return;
    message.requester = requester;
    ctx_.shared.exchange.post(requester.worker, std::move(message));
}

void Cancels::notify(ClientId requester, std::string_view reason) {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::CancelDone;
    message.text = reason;
    tell(requester, std::move(message));
}

void Cancels::tell_unknown(ClientId requester, const CancelKey& key) {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::CancelUnknown;
    message.cancel_key = key;
    tell(requester, std::move(message));
}

void Cancels::on_unknown_key(ClientId requester, const CancelKey& key) {
    ClientSession* session = ctx_.clients_slab.find(requester.slot, requester.generation);
    if (session == nullptr) return;
    Predecessor* predecessor = ctx_.shared.predecessor.load(std::memory_order_acquire);
    if (predecessor != nullptr && predecessor->pass_on(ctx_, *session, key)) return;
    ctx_.clients->close(*session, kUnknownKey);
}

void Cancels::on_done(ClientId requester, std::string_view reason) {
    ClientSession* session = ctx_.clients_slab.find(requester.slot, requester.generation);
    if (session != nullptr) ctx_.clients->close(*session, reason);
}

void Cancels::start(ServerConnection& server, ClientId requester) {
    const Result<int> fd = ctx_.io.connect(server.address);
    if (!fd) return notify(requester, "connect failed");
    CancelConnection& cancel = slab_.take();
    cancel.worker = ctx_.id;
    cancel.fd = *fd;
    cancel.server = &server;
    cancel.requester = requester;
    cancel.stage = CancelConnection::Stage::Connecting;
    if (server.tls != nullptr && ctx_.tls->server != nullptr) {
        cancel.host = server.host;
        cancel.attempt = std::make_unique<TlsAttempt>(
            SslMode::Require, ctx_.config->global.server_tls_negotiation, false, true);
    }
    cancel.request = make_cancel_request(server.backend_key);
    ++server.cancels_in_flight;
    open_.push_back(&cancel);
    ctx_.io.add(cancel.fd, watch_of(cancel), {.write = true});
    ctx_.deadlines.arm(cancel, ctx_.now + ctx_.config->global.cancel_wait_timeout);
}

void Cancels::on_event(CancelConnection& cancel, const IoEvent& event) {
    if (cancel.fd < 0 || event.watch.generation() != static_cast<uint16_t>(cancel.generation))
        return;
    switch (cancel.stage) {
        case CancelConnection::Stage::Connecting: return on_connected(cancel);
        case CancelConnection::Stage::AskingTls: return on_tls_answer(cancel);
        case CancelConnection::Stage::ShakingHands: return shake_hands(cancel);
        case CancelConnection::Stage::Sent: break;
    }
    // The server closes the connection once the signal has been sent: only then is it over.
    std::array<uint8_t, 64> scratch{};
    const ssize_t n = ctx_.io.receive(cancel.fd, scratch);
    if (n <= 0 && n != -EAGAIN) finish(cancel, true);
}

void Cancels::on_connected(CancelConnection& cancel) {
    if (ctx_.io.connect_result(cancel.fd) != 0) return finish(cancel, false);
    if (cancel.attempt == nullptr) return send_request(cancel);
    if (cancel.attempt->first_step() == TlsAttempt::Step::Handshake) return shake_hands(cancel);
    const std::string request = make_ssl_request();
    const ssize_t n = ctx_.channel(cancel).send(as_bytes(request));
    if (n != static_cast<ssize_t>(request.size())) return finish(cancel, false);
    cancel.stage = CancelConnection::Stage::AskingTls;
    ctx_.io.modify(cancel.fd, watch_of(cancel), {.read = true});
}

void Cancels::on_tls_answer(CancelConnection& cancel) {
    std::array<uint8_t, 16> answer{};
    const ssize_t n = ctx_.io.receive(cancel.fd, answer);
    if (n == -EAGAIN) return;
    const auto step =
        cancel.attempt->on_answer(ByteView(answer).first(n < 0 ? 0 : static_cast<size_t>(n)));
    if (!step || *step != TlsAttempt::Step::Handshake) return finish(cancel, false);
    shake_hands(cancel);
}

void Cancels::shake_hands(CancelConnection& cancel) {
    if (cancel.tls == nullptr) {
        cancel.stage = CancelConnection::Stage::ShakingHands;
        const bool is_direct = cancel.attempt->first_step() == TlsAttempt::Step::Handshake;
        cancel.tls = TlsStream::connect(ctx_.tls->server, cancel.fd,
                                        {.host = cancel.host, .is_direct = is_direct});
    }
    switch (cancel.tls->handshake()) {
        case TlsStream::Progress::Done: return send_request(cancel);
        case TlsStream::Progress::Failed: return finish(cancel, false);
        case TlsStream::Progress::Wait:
            return ctx_.io.modify(cancel.fd, watch_of(cancel),
                                  {.read = true, .write = cancel.tls->wants_to_write()});
    }
}

void Cancels::send_request(CancelConnection& cancel) {
    // A few bytes into an empty socket buffer: all or nothing.
    const ssize_t n = ctx_.channel(cancel).send(as_bytes(cancel.request));
    if (n != static_cast<ssize_t>(cancel.request.size())) return finish(cancel, false);
    cancel.stage = CancelConnection::Stage::Sent;
    ctx_.stats.cancels_sent.add(1);
    ctx_.io.modify(cancel.fd, watch_of(cancel), {.read = true});
}

void Cancels::on_deadline(CancelConnection& cancel) {
    finish(cancel, !cancel.is_sent());
}

// `is_over`: the request can no longer hit anything (it was carried out, or never sent).
void Cancels::finish(CancelConnection& cancel, bool is_over) {
    ServerConnection* server = cancel.server;
    const ClientId requester = cancel.requester;
    const bool was_sent = cancel.is_sent();
    ctx_.deadlines.disarm(cancel);
    ctx_.io.close(cancel.fd);
    cancel.fd = -1;
    cancel.server = nullptr;
    cancel.tls.reset();
    cancel.attempt.reset();
    std::erase(open_, &cancel);
    slab_.give_back(cancel);
    notify(requester, was_sent ? "successfully sent cancel request" : "cancel request failed");
    if (server == nullptr) return;
    --server->cancels_in_flight;
    if (was_sent && !is_over) {
        // It may still arrive, at whoever has the server by then.
        return ctx_.servers->close(*server, "cancel request did not end in time");
    }
    ctx_.servers->on_cancel_done(*server);
}

void Cancels::forget(ServerConnection& server) {
    for (CancelConnection* cancel : open_) {
        if (cancel->server == &server) cancel->server = nullptr;
    }
    server.cancels_in_flight = 0;
}

void Cancels::close_all() {
    for (CancelConnection* cancel : open_) {
        ctx_.deadlines.disarm(*cancel);
        ctx_.io.close(cancel->fd);
        cancel->tls.reset();
        cancel->attempt.reset();
        slab_.give_back(*cancel);
    }
    open_.clear();
}

// ---- hand-over ----

void Cancels::adopt(int fd, ServerConnection* server, ClientId requester, std::string request,
                    bool is_sent) {
    CancelConnection& cancel = slab_.take();
    cancel.worker = ctx_.id;
    cancel.fd = fd;
    cancel.server = server;
    cancel.requester = requester;
    cancel.stage = is_sent ? CancelConnection::Stage::Sent : CancelConnection::Stage::Connecting;
    cancel.request = std::move(request);
    if (server != nullptr) ++server->cancels_in_flight;
    open_.push_back(&cancel);
    ctx_.io.add(cancel.fd, watch_of(cancel), {.read = is_sent, .write = !is_sent});
    ctx_.deadlines.arm(cancel, ctx_.now + ctx_.config->global.cancel_wait_timeout);
}

void Cancels::let_go(CancelConnection& cancel) {
    ctx_.deadlines.disarm(cancel);
    ctx_.io.remove(cancel.fd);
    ctx_.io.close(cancel.fd);
    cancel.fd = -1;
    if (cancel.server != nullptr) --cancel.server->cancels_in_flight;
    cancel.server = nullptr;
    std::erase(open_, &cancel);
    slab_.give_back(cancel);
}

}  // namespace weir
