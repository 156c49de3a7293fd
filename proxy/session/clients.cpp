#include "proxy/session/clients.h"

#include <cerrno>
#include <cstring>

#include "conf/logging.h"
#include "protocol/message/writer.h"
#include "proxy/session/access.h"
#include "proxy/session/cancels.h"
#include "proxy/session/client_login.h"
#include "proxy/session/dedicated.h"
#include "proxy/session/draining.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/leasing.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/relay.h"
#include "proxy/session/routing.h"
#include "proxy/session/servers.h"
#include "proxy/session/throttle.h"

namespace weir {

namespace {

constexpr Duration kLingerMax = std::chrono::seconds(2);
constexpr Duration kSuspendedLook = std::chrono::seconds(1);

bool is_login(ClientPhase phase) {
    return phase == ClientPhase::Startup || phase == ClientPhase::Authenticating;
}

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

// It replicates, which has no end that could be late: what is meant for queries does not apply.
bool is_streaming(const ClientSession& session) {
    return session.replication == Replication::Physical ||
           session.server->tracker.copy_state() == CopyState::Both;
}

uint32_t to_ms(Duration d) {
    return static_cast<uint32_t>(d.count() / 1000);
}

}  // namespace

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
    ctx_.io.add(fd, Watch::of(Watch::Kind::Client, &session, session.generation), true, false);
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
    if (event.writable && session.writes) write(session);
    if (static_cast<uint16_t>(session.generation) != event.watch.generation() || session.fd < 0)
        return;
    // A read that had to write first goes on as well.
    const bool may_go_on =
        event.writable && session.tls != nullptr && session.tls->wants_to_write();
    if ((event.readable || may_go_on) && session.reads) return read(session);
    if (event.broken) close(session, "client unexpected eof");
}

void Clients::on_login_answer(LoginAnswer& answer) {
    const ClientId id = answer.question.client;
    ClientSession* session = ctx_.clients_slab.find(id.slot, id.generation);
    if (session == nullptr || session->phase != ClientPhase::AuthWait) return;
    session->login->authentication().on_answer(answer);
}

// ---- input ----

void Clients::read(ClientSession& session) {
    const uint32_t life = session.generation;
    if (session.may_be_direct && !look_at_first_byte(session)) return;
    for (int rounds = ctx_.reads_max(); rounds > 0; --rounds) {
        if (session.phase == ClientPhase::Closing || is_blocked(session)) return hold_more(session);
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
        const bool has_unread = session.tls != nullptr && session.tls->has_unread();
        if (bytes < into.size() && !has_unread) return;
    }
    note_unread(session);
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
    if (session.tls == nullptr || !session.tls->has_unread()) return;
    ctx_.unread.push_back(Watch::of(Watch::Kind::Client, &session, session.generation));
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

// The input waits: keep a little of it, mostly to notice when the client hangs up.
void Clients::hold_more(ClientSession& session) {
    const size_t held = session.held.size();
    const bool is_closing = session.phase == ClientPhase::Closing;
    if (!is_closing && held >= kHeldBytesMax) return set_interest(session, false, session.writes);
    const size_t room = is_closing ? WorkerContext::kInputBytes : kHeldBytesMax - held;
    const ssize_t n = ctx_.channel(session).receive({ctx_.input.get(), room});
    if (is_closing) {
        if (n <= 0 && n != -EAGAIN) return free(session);
        return note_unread(session);
    }
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
    while (used < input.size() && is_login(session.phase)) {
        const size_t step = session.login->on_bytes(input.subspan(used));
        if (session.generation != life) return;
        used += step;
        if (step == 0) break;
    }
    if (!is_login(session.phase) && session.phase != ClientPhase::Closing && used < input.size() &&
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
    const ssize_t n = ctx_.to_client.flush(ctx_.channel(session), session.outbox);
    if (n < 0) return close(session, "client unexpected eof");
    if (session.pool != nullptr) {
        ctx_.counters(*session.pool).bytes_sent.add(static_cast<uint64_t>(n));
        session.tally.bytes_sent += static_cast<uint64_t>(n);
    }
    if (!session.outbox.empty() && !session.writes) set_interest(session, session.reads, true);
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
    ctx_.io.modify(session.fd, Watch::of(Watch::Kind::Client, &session, session.generation), read,
                   write);
    if (read) note_unread(session);
}

// ---- the end ----

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
    session.outbox.append(as_bytes(text));
    if (flush_backlog(ctx_.channel(session), session.outbox) < 0) return free(session);
    if (session.outbox.empty()) ctx_.channel(session).finish();
    linger(session);
}

// Waits for the client to read what it was told and to hang up: closing with unread input would
// reset the connection and lose the message.
void Clients::linger(ClientSession& session) {
    set_interest(session, true, !session.outbox.empty());
    ctx_.deadlines.disarm(session);
    ctx_.deadlines.arm(session, ctx_.now + kLingerMax);
}

void Clients::protocol_violation(ClientSession& session, std::string_view what) {
    fail(session, Error("08P01", std::string(what)));
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

// ---- time limits ----

void Clients::refresh_timeouts(ClientSession& session) {
    if (session.pool == nullptr) return;
    const Config& config = *ctx_.config;
    const DatabaseConfig database = session.pool->database();
    session.timeouts.query_wait_ms =
        to_ms(effective_query_wait_timeout(config, database, session.user));
    session.timeouts.query_ms = to_ms(effective_query_timeout(config, session.user));
    session.timeouts.transaction_ms = to_ms(effective_transaction_timeout(config, session.user));
    session.timeouts.idle_transaction_ms =
        to_ms(effective_idle_transaction_timeout(config, session.user));
    session.timeouts.client_idle_ms = to_ms(effective_client_idle_timeout(config, session.user));
}

std::optional<Error> Clients::overdue(const ClientSession& session, Instant* next) const {
    std::optional<Error> out;
    *next = {};
    const auto limit = [&](uint32_t after_ms, Instant from, const char* text) {
        if (after_ms == 0 || from.is_never()) return;
        const Instant due = from + std::chrono::milliseconds(after_ms);
        if (due <= ctx_.now) {
            if (!out) out.emplace("08P01", text);
        } else if (next->is_never() || due < *next) {
            *next = due;
        }
    };
    const uint32_t login_ms = to_ms(ctx_.config->global.client_login_timeout);
    const auto look = [&](Instant at) {
        if (!at.is_never() && (next->is_never() || at < *next)) *next = at;
    };
    switch (session.phase) {
        case ClientPhase::Startup:
        case ClientPhase::Authenticating:
            limit(login_ms, session.connected_at, "client_login_timeout");
            break;
        case ClientPhase::AuthWait:
            limit(login_ms, session.connected_at, "client_login_timeout");
            limit(session.timeouts.query_wait_ms, session.requested_at, "query_wait_timeout");
            break;
        case ClientPhase::LoginWait:
            limit(login_ms, session.connected_at, "client_login_timeout (server down)");
            limit(session.timeouts.query_wait_ms, session.requested_at, "query_wait_timeout");
            look(ctx_.routing->next_look(session));
            break;
        case ClientPhase::Waiting:
            look(ctx_.routing->next_look(session));
            if (!session.is_wait_told) look(tell_wait_at(session));
            limit(session.timeouts.query_wait_ms, session.requested_at, "query_wait_timeout");
            limit(session.timeouts.query_ms, session.requested_at, "query_timeout");
            break;
        case ClientPhase::Active: {
            const ProtocolTracker& tracker = session.server->tracker;
            if (is_streaming(session)) {
                look(ctx_.now + std::chrono::seconds(1));
                break;
            }
            // With nothing running, look again later: a query does not arm anything when it is
            // sent.
            const Instant query_from = tracker.pending() > 0 ? session.query_from : ctx_.now;
            limit(session.timeouts.query_ms, query_from, "query timeout");
            const bool is_open =
                tracker.status() != TransactionStatus::Idle || tracker.pending() > 0;
            limit(session.timeouts.transaction_ms, is_open ? session.transaction_from : ctx_.now,
                  "transaction timeout");
            if (tracker.status() != TransactionStatus::Idle && tracker.pending() == 0) {
                limit(session.timeouts.idle_transaction_ms, session.quiet_since,
                      "idle transaction timeout");
            }
            break;
        }
        case ClientPhase::Idle:
            limit(session.timeouts.client_idle_ms, session.quiet_since, "client_idle_timeout");
            break;
        default: break;
    }
    return out;
}

// When a client that waits for a server is told so; never = not at all.
Instant Clients::tell_wait_at(const ClientSession& session) const {
    const int after_s = ctx_.config->global.query_wait_notify_s;
    return after_s > 0 ? session.requested_at + std::chrono::seconds(after_s) : Instant{};
}

void Clients::tell_wait(ClientSession& session) {
    const Instant at = tell_wait_at(session);
    if (session.phase != ClientPhase::Waiting || session.is_wait_told || at.is_never()) return;
    if (ctx_.now < at) return;
    session.is_wait_told = true;
    std::string text;
    write_notice(text, {.severity = "NOTICE",
                        .sqlstate = "00000",
                        .message = "No server connection available in postgres backend, client "
                                   "being queued"});
    send(session, text);
}

void Clients::arm(ClientSession& session) {
    const bool has_limits = session.phase != ClientPhase::Active ||
                            (session.timeouts.query_ms | session.timeouts.transaction_ms |
                             session.timeouts.idle_transaction_ms) != 0;
    if (!has_limits) return;
    Instant next;
    if (overdue(session, &next)) next = ctx_.now;
    if (!next.is_never()) ctx_.deadlines.arm(session, next);
}

// queue_error = keep: the request has failed and not the session. True when it was so.
bool Clients::reject_overdue_wait(ClientSession& session) {
    const Duration most = std::chrono::milliseconds(session.timeouts.query_wait_ms);
    if (ctx_.config->global.queue_error != QueueError::Keep) return false;
    if (session.phase != ClientPhase::Waiting || most.count() == 0) return false;
    if (ctx_.now - session.requested_at < most) return false;
    ctx_.leasing->leave_queue(session);
    ctx_.relay->reject_request(
        session, Error("53300", "no server connection was free in time (query_wait_timeout)"));
    return true;
}

void Clients::on_deadline(ClientSession& session) {
    if (session.phase == ClientPhase::Closing || session.phase == ClientPhase::CancelRequest) {
        return free(session);
    }
    if (session.is_suspended) return ctx_.deadlines.arm(session, ctx_.now + kSuspendedLook);
    if (session.phase == ClientPhase::Refused) return session.login->authentication().on_deadline();
    if (session.phase == ClientPhase::Throttled) return ctx_.throttle->on_deadline(session);
    if (reject_overdue_wait(session)) return;
    const uint32_t life = session.generation;
    tell_wait(session);
    if (session.generation != life) return;
    Instant next;
    if (const std::optional<Error> error = overdue(session, &next)) {
        if (is_login(session.phase)) ctx_.leaks->on_half_login(session);
        return fail(session, *error);
    }
    if (ctx_.routing->on_deadline(session)) return;
    if (!next.is_never()) ctx_.deadlines.arm(session, next);
}

}  // namespace weir
