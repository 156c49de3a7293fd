#include "proxy/session/clients.h"

#include <cerrno>
#include <cstring>

#include "conf/logging.h"
#include "proxy/session/draining.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/login/client_login.h"
#include "proxy/session/relay/relay.h"
#include "proxy/session/servers.h"
#include "proxy/session/throttle.h"

namespace weir {

namespace {

// Its input has to wait for something other than more input.
bool is_blocked(const ClientSession& session) {
    switch (session.phase) {
        case ClientPhase::AuthWait:
        case ClientPhase::Refused:
        case ClientPhase::Throttled:
        case ClientPhase::Waiting:
        case ClientPhase::LoginWait:
        case ClientPhase::CancelRequest: return true;
        case ClientPhase::Active:
            return session.is_read_paused || session.is_depth_blocked ||
                   session.server->phase != ServerPhase::Relaying;
        default: return false;
    }
}

}  // namespace

Watch Clients::watch_of(const ClientSession& session) {
    return Watch::of(Watch::Kind::Client, &session, session.generation);
}

void Clients::accept(int fd, const Address& peer) {
    if (!ctx_.throttle->may_connect(peer)) return ctx_.io.close(fd);
    ClientSession& session = ctx_.clients_slab.take();
    session.Waiter::client = {session.slot, session.generation, ctx_.id};
    session.phase = ClientPhase::Startup;
    session.fd = fd;
    session.peer = PeerAddress::from(peer);
    session.is_unix = peer.is_unix();
    ctx_.stats.connections.add(1);
    session.may_be_direct = ctx_.tls->client != nullptr && !session.is_unix;
    session.id = ctx_.shared.last_id.fetch_add(1, std::memory_order_relaxed) + 1;
    session.connected_at = session.requested_at = ctx_.now;
    session.parser.set_length_max(ctx_.config->global.max_packet_size);
    session.login = std::make_unique<ClientLogin>(ctx_, session);
    ctx_.shared.logins.fetch_add(1, std::memory_order_relaxed);
    session.reads = true;
    ctx_.io.add(fd, watch_of(session), WorkerContext::interest(session));
    ctx_.client_count.fetch_add(1, std::memory_order_relaxed);
    if (log::is_enabled(LogLevel::Debug)) {
        const LogPeer there = log_peer(ctx_, session);
        log::debug(there, "P: got connection: {}", there.address());
    }
    arm(session);
}

void Clients::on_event(ClientSession& session, const IoEvent& event) {
    if (static_cast<uint16_t>(session.generation) != event.watch.generation() || session.fd < 0)
        return;
    if (session.login != nullptr) ctx_.sends.send_all();
    if (event.writable && session.writes) write(session);
    if (static_cast<uint16_t>(session.generation) != event.watch.generation() || session.fd < 0)
        return;
    // A read that had to write first goes on as well.
    const bool may_go_on =
        event.writable && session.tls != nullptr && session.tls->wants_to_write();
    if ((event.readable || may_go_on) && session.reads) return read(session, event.ended);
    if (event.broken) close(session, "client unexpected eof");
}

void Clients::on_login_answer(LoginAnswer& answer) {
    const ClientId id = answer.question.client;
    ClientSession* session = ctx_.clients_slab.find(id.slot, id.generation);
    if (session == nullptr || session->phase != ClientPhase::AuthWait) return;
    session->login->authentication().on_answer(answer);
}

// ---- input ----

void Clients::read(ClientSession& session, bool until_empty) {
    const uint32_t life = session.generation;
    if (session.may_be_direct && !look_at_first_byte(session)) return;
    for (int rounds = ctx_.reads_max(); rounds > 0; --rounds) {
        if (session.phase == ClientPhase::Closing || is_blocked(session))
            return hold_more(session, until_empty);
        // What is held goes in front, so that every message is in one piece of memory.
        const size_t held = session.held.size();
        const bool fits = held <= WorkerContext::kInputBytes / 2;
        const size_t offset = fits ? held : 0;
        const std::span<uint8_t> into(ctx_.input.get() + offset,
                                      WorkerContext::kInputBytes - offset);
        const ssize_t n = ctx_.channel(session).receive(into);
        if (session.login != nullptr && session.tls != nullptr) session.login->note_handshake();
        if (n <= 0) return on_nothing_read(session, n);
        const auto bytes = static_cast<size_t>(n);
        if (session.pool != nullptr) {
            ctx_.counters(*session.pool).bytes_received.add(bytes);
            session.tally.bytes_received += bytes;
        }
        if (!fits || session.whole_bytes > held + bytes) {
            session.held.append(into.first(bytes));
            if (session.held.size() >= session.whole_bytes) {
                const ByteQueue whole = std::move(session.held);
                session.held = ByteQueue();
                use_input(session, whole.view());
            }
        } else {
            if (held > 0) std::memcpy(ctx_.input.get(), session.held.view().data(), held);
            session.held.clear(ctx_.spares);
            use_input(session, {ctx_.input.get(), held + bytes});
        }
        if (session.generation != life) return;
        const bool has_unread = ctx_.channel(session).has_unread();
        if (bytes < into.size() && !has_unread && !until_empty) return;
    }
    ctx_.come_back(watch_of(session));
}

// Does it begin with TLS, rather than with a request for it? False = that cannot be told yet.
bool Clients::look_at_first_byte(ClientSession& session) {
    constexpr uint8_t kTlsHandshake = 0x16;  // RFC 8446 section 5.1, the type of a record
    uint8_t first = 0;
    const ssize_t n = ctx_.io.peek(session.fd, {&first, 1});
    if (n == -EAGAIN) return false;
    session.may_be_direct = false;
    if (n == 1 && first == kTlsHandshake && ctx_.tls->client != nullptr) accept_tls(session, true);
    return true;
}

void Clients::accept_tls(ClientSession& session, bool is_direct) {
    session.tls = TlsStream::accept(ctx_.tls->client, session.fd, is_direct);
    session.is_tls = true;
    ctx_.io.modify(session.fd, watch_of(session), WorkerContext::interest(session));
    session.login->begin_handshake();
}

void Clients::on_nothing_read(ClientSession& session, ssize_t result) {
    if (result == -EAGAIN) {
        const bool must_write = session.tls != nullptr && session.tls->wants_to_write();
        if (must_write) set_interest(session, session.reads, true);
        return;
    }
    if (result == -EPROTO) return fail_tls(session);
    // Whoever connects and says nothing may be watching whether we live.
    const bool is_probe = session.phase == ClientPhase::Startup && session.held.empty();
    close(session, is_probe ? "" : "client unexpected eof");
}

// What is left in its TLS after a read would else be forgotten.
void Clients::note_unread(ClientSession& session) {
    if (ctx_.channel(session).has_unread()) ctx_.come_back(watch_of(session));
}

// The input waits: keep a little of it, mostly to notice when the client hangs up.
void Clients::hold_more(ClientSession& session, bool until_empty) {
    const size_t held = session.held.size();
    const bool is_closing = session.phase == ClientPhase::Closing;
    if (!is_closing && held >= kHeldBytesMax) return set_interest(session, false, session.writes);
    const size_t room = is_closing ? WorkerContext::kInputBytes : kHeldBytesMax - held;
    const ssize_t n = ctx_.channel(session).receive({ctx_.input.get(), room});
    if (is_closing && n <= 0 && n != -EAGAIN) return free(session);
    const bool may_have_more = n == static_cast<ssize_t>(room) || (n > 0 && until_empty);
    if (may_have_more) ctx_.come_back(watch_of(session));
    if (is_closing) return note_unread(session);
    if (n <= 0) return on_nothing_read(session, n);
    if (session.pool != nullptr) {
        ctx_.counters(*session.pool).bytes_received.add(static_cast<uint64_t>(n));
        session.tally.bytes_received += static_cast<uint64_t>(n);
    }
    session.held.append({ctx_.input.get(), static_cast<size_t>(n)}, ctx_.spares);
    note_unread(session);
}

void Clients::use_input(ClientSession& session, ByteView input) {
    const uint32_t life = session.generation;
    session.whole_bytes = 0;
    size_t used = 0;
    while (used < input.size() && is_logging_in(session)) {
        const size_t step = session.login->on_bytes(input.subspan(used));
        if (session.generation != life) return;
        used += step;
        if (step == 0) break;
    }
    if (!is_logging_in(session) && session.phase != ClientPhase::Closing && used < input.size() &&
        !is_blocked(session)) {
        used += ctx_.relay->from_client(session, input.subspan(used));
        if (session.generation != life) return;
    }
    if (session.phase != ClientPhase::Closing)
        session.held.append(input.subspan(used), ctx_.spares);
}

void Clients::schedule(ClientSession& session) {
    if (!session.ReadyHook::is_linked()) ctx_.ready.push_back(session);
}

void Clients::run_scheduled() {
    ctx_.retired_logins.clear();
    while (ClientSession* session = ctx_.ready.pop_front()) {
        if (is_blocked(*session) || session->fd < 0) continue;
        if (session->is_leaving && ctx_.draining->let_go(*session)) continue;
        const uint32_t life = session->generation;
        if (!session->held.empty()) {
            ByteQueue input = std::move(session->held);
            session->held = ByteQueue();
            use_input(*session, input.view());
            input.clear(ctx_.spares);
        }
        if (session->generation == life && !session->reads && !is_blocked(*session)) {
            set_interest(*session, true, session->writes);
        }
    }
}

// ---- output ----

void Clients::send(ClientSession& session, std::string_view text) {
    ctx_.to_client.append_copy(text);
    flush(session);
}

// Descriptors are for the administrator by right of the system only: who may trace this process
// anyway.
void Clients::reply_console(ClientSession& session, WorkerMessage& reply) {
    if (!reply.descriptors.empty() && session.is_unix && session.user == kOwnUserName &&
        ctx_.io.is_same_user(session.fd)) {
        if (session.descriptors == nullptr)
            session.descriptors = std::make_unique<DescriptorQueue>();
        session.descriptors->add(session.outbox.size(), std::move(reply.descriptors));
    }
    session.outbox.append(as_bytes(reply.text));
    if (flush_outbox(session) < 0) return close(session, "client unexpected eof");
    if (reply.flag) return close(session, "console is done");
    if (!session.outbox.empty() && !session.writes) set_interest(session, session.reads, true);
}

void Clients::flush(ClientSession& session) {
    if (ctx_.to_client.empty()) return;
    // Until the login is over, more is put into the outbox behind it.
    const bool may_wait = session.login == nullptr;
    const ssize_t n = ctx_.sends.flush(ctx_.to_client, ctx_.channel(session), session.outbox,
                                       watch_of(session), may_wait);
    if (n < 0) return close(session, "client unexpected eof");
    if (session.pool != nullptr) {
        ctx_.counters(*session.pool).bytes_sent.add(static_cast<uint64_t>(n));
        session.tally.bytes_sent += static_cast<uint64_t>(n);
    }
    if (!session.outbox.empty() && !session.writes) set_interest(session, session.reads, true);
}

void Clients::on_cut_short(ClientSession& session, uint16_t generation) {
    if (static_cast<uint16_t>(session.generation) != generation || session.fd < 0) return;
    if (!session.outbox.empty()) set_interest(session, session.reads, true);
}

int Clients::flush_outbox(ClientSession& session) {
    if (session.descriptors == nullptr) return flush_backlog(ctx_.channel(session), session.outbox);
    const int result = session.descriptors->flush(session.fd, session.outbox);
    if (session.descriptors->empty()) session.descriptors.reset();
    return result;
}

void Clients::write(ClientSession& session) {
    if (const int error = flush_outbox(session); error < 0) {
        if (session.phase == ClientPhase::Closing) return free(session);
        return close(session, "client unexpected eof");
    }
    if (!session.outbox.empty()) return;
    set_interest(session, session.reads, false);
    if (session.phase == ClientPhase::Closing) return ctx_.channel(session).finish();
    if (session.server != nullptr && !session.server->reads) {
        ctx_.servers->set_interest(*session.server, true, session.server->writes);
    }
}

void Clients::set_interest(ClientSession& session, bool read, bool write) {
    read = read && !session.is_suspended;
    if (session.reads == read && session.writes == write) return;
    session.reads = read;
    session.writes = write;
    ctx_.io.modify(session.fd, watch_of(session), WorkerContext::interest(session));
    if (read) note_unread(session);
}

}  // namespace weir
