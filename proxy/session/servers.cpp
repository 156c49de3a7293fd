#include "proxy/session/servers.h"

#include <cerrno>
#include <cstring>

#include "conf/logging.h"
#include "proxy/session/clients.h"
#include "proxy/session/dedicated.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/leasing.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/login/secret_lookups.h"
#include "proxy/session/relay/evidence.h"
#include "proxy/session/relay/query_recorder.h"
#include "proxy/session/relay/relay.h"
#include "proxy/session/routing.h"

namespace weir {

// The id is new for every connection of a slot, so an event fetched for an earlier one is
// recognised.
Watch Servers::watch_of(const ServerConnection& server) {
    return Watch::of(Watch::Kind::Server, &server, static_cast<uint32_t>(server.id));
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
        if (event.watch.generation() == static_cast<uint16_t>(server.id)) read(server, event.ended);
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
    if (event.watch.generation() != static_cast<uint16_t>(server.id))
        return;  // of the slot's earlier connection
    if (server.registered_with != ctx_.id) {
        // Granted to us, but its message is still in the inbox.
        if (server.fd >= 0) ctx_.come_back(event.watch);
        return;
    }
    if (server.phase <= ServerPhase::LoggingIn) ctx_.sends.send_all();
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
    if ((event.readable || may_go_on) && server.reads) read(server, event.ended);
}

void Servers::read(ServerConnection& server, bool until_empty) {
    const ServerOwner owner = server.load_owner();
    const Watch watch = watch_of(server);
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
        const bool may_have_more = static_cast<size_t>(n) == into.size() || until_empty;
        if (!is_alive || server.load_owner() != owner) {
            // Whoever has it next is told.
            if (may_have_more) ctx_.come_back(watch);
            return;
        }
        if (!may_have_more && !ctx_.channel(server).has_unread()) return;
    }
    ctx_.come_back(watch);
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

void Servers::on_close_request(ServerConnection& server, uint64_t id, std::string_view reason) {
    // It may have ended by itself in the meantime, and the slot be another's.
    const ServerOwner owner = server.load_owner();
    if (server.id != id || owner.worker != ctx_.id || owner.state != LedgerState::Leased) return;
    if (server.phase != ServerPhase::Ready) return;
    ctx_.owned.push_back(server);
    close(server, reason);
}

// ---- output, the end ----

bool Servers::send(ServerConnection& server, std::string_view text) {
    ctx_.to_server.append_copy(text);
    return flush(server);
}

bool Servers::flush(ServerConnection& server) {
    if (ctx_.to_server.empty()) return true;
    const bool may_wait = server.phase == ServerPhase::Relaying;
    const ssize_t n = ctx_.sends.flush(ctx_.to_server, ctx_.channel(server), server.outbox,
                                       watch_of(server), may_wait);
    if (n < 0) {
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

void Servers::on_cut_short(ServerConnection& server, uint16_t generation) {
    const ServerOwner owner = server.load_owner();
    if (owner.worker != ctx_.id || owner.state != LedgerState::Leased) return;  // it has gone
    if (static_cast<uint16_t>(server.id) != generation || server.phase == ServerPhase::Closing)
        return;
    if (!server.outbox.empty()) set_interest(server, server.reads, true);
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
    if (!was_watched)
        return ctx_.io.add(server.fd, watch_of(server), WorkerContext::interest(server));
    ctx_.io.modify(server.fd, watch_of(server), WorkerContext::interest(server));
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
