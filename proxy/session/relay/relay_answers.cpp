// Relay: from the server to its client, and what follows from the answers.
#include <utility>

#include "conf/logging.h"
#include "protocol/message/backend.h"
#include "proxy/prepared/forgetting.h"
#include "proxy/session/clients.h"
#include "proxy/session/leasing.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/login/secret_lookups.h"
#include "proxy/session/relay/evidence.h"
#include "proxy/session/relay/query_recorder.h"
#include "proxy/session/relay/relay.h"
#include "proxy/session/servers.h"

namespace weir {

namespace {

// What it was prepared for has changed: "cached plan must not change result type", or a type of its
// parameters that is no more (an internal error, which PostgreSQL does not translate).
bool tells_of_stale_statement(const ErrorView& error) {
    if (error.sqlstate == "0A000") return error.routine == "RevalidateCachedQuery";
    return error.sqlstate == "XX000" && error.message.starts_with("cache lookup failed for type ");
}

}  // namespace

// Takes back what was assumed of requests that the server skipped.
class Relay::Undo final : public DroppedRequests {
  public:
    explicit Undo(ServerConnection& server) : server_(server) {}

    void on_dropped(const PendingReply& dropped) override {
        const bool has_handle = dropped.statement != PendingReply::kNoStatement;
        if (dropped.request == Request::Parse && has_handle) {
            server_.statements.on_parse_dropped(dropped.statement);
        }
        if (!has_handle) on_unnamed_dropped(dropped);
        if (dropped.request == Request::Close && has_handle && dropped.origin != Origin::Faked) {
            server_.statements.on_close_dropped(dropped.statement);
        }
        const bool is_clients_own =
            dropped.origin == Origin::Faked || (dropped.origin == Origin::Client && has_handle);
        ClientStatements* statements =
            server_.client == nullptr ? nullptr : server_.client->statements.get();
        if (is_clients_own && statements != nullptr) statements->undo_oldest();
    }

  private:
    // The server still has the unnamed statement that it had before. Unless a later batch has
    // replaced it, nobody knows whose: not even the client's own is, when the client had sent
    // another behind it.
    void on_unnamed_dropped(const PendingReply& dropped) {
        const bool is_parse = dropped.request == Request::Parse && dropped.origin != Origin::Faked;
        const bool is_close = dropped.request == Request::Close && dropped.origin == Origin::Proxy;
        if (!is_parse && !is_close) return;
        if (server_.unnamed_batch != server_.tracker.answering_batch()) return;
        server_.unnamed_of = {};
        const bool is_clients_own = is_parse && dropped.origin == Origin::Client;
        if (is_clients_own && server_.client != nullptr) forget_unnamed(*server_.client);
    }

    ServerConnection& server_;
};

bool Relay::from_server(ServerConnection& server, ByteView input) {
    const ServerOwner owner = server.load_owner();
    is_ready_seen_ = false;
    answered_bytes_ = 0;
    size_t used = 0;
    while (true) {
        const Piece piece = server.parser.peek(input.subspan(used));
        if (piece.kind == Piece::Kind::NeedMore) break;
        if (piece.kind == Piece::Kind::Malformed) {
            return give_up(server, input.subspan(used), "invalid message from server");
        }
        if (piece.kind == Piece::Kind::Start) {
            if (must_be_whole(server, piece) && !piece.is_complete()) break;
            answered_bytes_ += piece.bytes.size();
            if (!on_server_message(server, piece)) {
                return give_up(server, input.subspan(used), "unexpected message from server");
            }
        } else if (server.is_stream_forwarded && server.client != nullptr) {
            answered_bytes_ += piece.bytes.size();
            ctx_.to_client.append(piece.bytes);
        }
        server.parser.consume(piece);
        used += piece.bytes.size();
    }
    emit_faked(server);
    server.held.append(input.subspan(used));  // first: only then does is_clean() know of it
    if (server.client != nullptr) count_bytes(*server.client, used);
    QueryRecorder::on_bytes_out(server, answered_bytes_);
    deliver(server);
    if (server.load_owner() != owner) return false;
    return settle(server, owner);
}

// A connection in doubt is closed, never reused.
bool Relay::give_up(ServerConnection& server, ByteView unused, std::string_view reason) {
    const ServerOwner owner = server.load_owner();
    server.held.append(unused);
    deliver(server);
    if (server.load_owner() == owner) ctx_.servers->close(server, reason);
    return false;
}

// What was gathered goes to the client, if there still is one.
void Relay::deliver(ServerConnection& server) {
    if (server.client != nullptr) {
        ctx_.clients->flush(*server.client);
    } else {
        ctx_.to_client.clear();
    }
}

// A message whose content matters to us; others are passed on as they come, however long.
bool Relay::must_be_whole(const ServerConnection& server, const Piece& piece) {
    if (server.lookup != nullptr) return piece.length <= kLookupMessageBytesMax;
    switch (static_cast<BackendTag>(piece.tag)) {
        case BackendTag::ReadyForQuery:
        case BackendTag::CommandComplete:
        case BackendTag::ErrorResponse:
        case BackendTag::ParameterStatus: return piece.length <= kAuthMessageBytesMax;
        default: return false;
    }
}

bool Relay::on_server_message(ServerConnection& server, const Piece& piece) {
    const auto tag = static_cast<BackendTag>(piece.tag);
    ClientSession* session = server.client;
    if (log::is_enabled(LogLevel::Noise)) {
        log::noise(log_peer(server), "read pkt='{}', len={}", static_cast<char>(piece.tag),
                   piece.total_bytes());
    }
    emit_faked(server);
    PendingReply head;
    if (server.tracker.pending() > 0) head = server.tracker.head();
    if (tag == BackendTag::ReadyForQuery && piece.length != 5) return false;
    const uint8_t status = tag == BackendTag::ReadyForQuery ? piece.body()[0] : 0;
    Undo undo(server);
    const ProtocolTracker::Verdict verdict = server.tracker.on_backend(tag, status, undo);
    if (verdict == ProtocolTracker::Verdict::Doubt) return false;
    const bool is_prologue =
        server.phase == ServerPhase::Preparing || server.phase == ServerPhase::Checking;
    server.is_stream_forwarded =
        verdict == ProtocolTracker::Verdict::Forward && session != nullptr && !is_prologue;
    switch (tag) {
        case BackendTag::ParseComplete:
        case BackendTag::CloseComplete: on_answered(server, head, tag); break;
        case BackendTag::CommandComplete:
            if (piece.is_complete()) on_command_complete(server, as_text(piece.body()));
            break;
        case BackendTag::ParameterStatus:
            if (piece.is_complete()) on_parameter_status(server, piece);
            break;
        case BackendTag::ErrorResponse: on_error(server, piece); break;
        case BackendTag::ReadyForQuery: is_ready_seen_ = true; break;
        default: break;
    }
    if (server.lookup != nullptr) {
        if (!piece.is_complete()) return false;
        ctx_.lookups->on_message(server, tag, piece.body());
    }
    if (server.is_stream_forwarded) ctx_.to_client.append(piece.bytes);
    return tag != BackendTag::ReadyForQuery || on_ready(server);
}

void Relay::on_error(ServerConnection& server, const Piece& piece) {
    const ErrorView error = view_error(piece.body());
    note_error(ctx_, server, error);
    ctx_.stats.server_errors.note(error.sqlstate);
    if (!server.is_stream_forwarded) {
        server.is_own_query_failed =
            server.client != nullptr || server.is_reset_sent || server.is_new;
        return;
    }
    QueryRecorder::on_error(server, error.sqlstate);
    if (error.sqlstate == "26000" && put_refusal(server, error)) return;
    if (error.severity == "FATAL" || error.severity == "PANIC") server.is_error_forwarded = true;
    // It is replaced when it comes back, so that nobody else meets what it has prepared.
    if (tells_of_stale_statement(error) && server.client != nullptr && rewrites(*server.client)) {
        note_schema_change(server);
        server.epoch = 0;
    }
    // We and the server disagree about what is prepared there: it is replaced, too.
    const bool is_ours = error.message.find("\"weir_") != std::string_view::npos;
    if (is_ours && (error.sqlstate == "26000" || error.sqlstate == "42P05")) server.epoch = 0;
}

void Relay::on_parameter_status(ServerConnection& server, const Piece& piece) {
    const auto parameter = view_parameter_status(piece.body());
    if (!parameter) return;
    if (parameter->name == kInHotStandby) note_hot_standby(ctx_, server, parameter->value);
    const int index = ctx_.shared.names.index_of(parameter->name);
    if (index < 0) return;
    // Servers tell of it at the end of the batch (since PostgreSQL 14): what was parsed meanwhile
    // may have been read under another setting than we have named it for, and is for nobody else.
    const bool is_setting = static_cast<size_t>(index) != ParameterNames::kApplicationName &&
                            server.parameters.get(static_cast<size_t>(index)) != parameter->value;
    if (is_setting && server.statements.has_parsed_since(server.tracker.answering_batch()))
        server.epoch = 0;
    server.parameters.set(static_cast<size_t>(index), parameter->value);
    const bool is_clients = server.client != nullptr && server.phase == ServerPhase::Relaying;
    if (is_clients) server.client->parameters.set(static_cast<size_t>(index), parameter->value);
}

// Answers that the proxy owes and whose turn has come. Only between messages of the server. Nearly
// always there are none, which costs no more than the look at the head of the queue.
void Relay::emit_faked(ServerConnection& server) {
    if (!server.tracker.faked_is_due() || server.parser.is_mid_message()) return;
    PendingReply due;
    while (server.tracker.take_faked(due)) {
        if (server.client == nullptr) continue;
        const bool is_parse = due.request == Request::Parse;
        if (due.statement != PendingReply::kSilent) {
            ctx_.to_client.append_copy(is_parse ? std::string_view("1\0\0\0\4", 5)
                                                : std::string_view("3\0\0\0\4", 5));
        }
        server.client->statements->confirm_oldest();
    }
}

void Relay::on_answered(ServerConnection& server, const PendingReply& head, BackendTag tag) {
    if (head.statement == PendingReply::kNoStatement) return;
    if (tag == BackendTag::CloseComplete)
        return server.statements.on_close_complete(head.statement);
    server.statements.on_parse_complete(head.statement);
    if (head.origin == Origin::Client && server.client != nullptr) {
        server.client->statements->confirm_oldest();
    }
}

void Relay::on_command_complete(ServerConnection& server, std::string_view body) {
    if (server.is_stream_forwarded) QueryRecorder::on_complete(server, body);
    if (may_change_statements(body.substr(0, body.size() - 1))) {
        note_schema_change(server);
        server.has_changed_schema = true;
    }
    constexpr std::string_view kDeallocateAll("DEALLOCATE ALL\0", 15);
    constexpr std::string_view kDiscardAll("DISCARD ALL\0", 12);
    if (body != kDeallocateAll && body != kDiscardAll) return;
    server.statements.forget_parsed();
    // A Parse of a later batch is still on its way.
    if (server.unnamed_batch <= server.tracker.answering_batch()) server.unnamed_of = {};
    if (server.client != nullptr && server.client->statements != nullptr &&
        server.is_stream_forwarded) {
        server.client->statements->forget_confirmed();
    }
}

// Counts, and what the pool mode demands at the end of a query.
bool Relay::on_ready(ServerConnection& server) {
    ClientSession* session = server.client;
    if (session == nullptr || server.phase != ServerPhase::Relaying) return true;
    PoolCounters& counters = ctx_.counters(*session->pool);
    counters.queries.add(1);
    ++session->tally.queries;
    const Duration latency = ctx_.now - session->query_from;
    counters.query_us.add(static_cast<uint64_t>(latency.count()));
    PoolHistograms& histograms = counters.histograms.get();
    histograms.query.record(latency);
    note_latency(ctx_, server, latency);
    QueryRecorder::on_bytes_out(server, answered_bytes_);
    answered_bytes_ = 0;
    ctx_.recorder->on_ready(*session, server, latency);
    if (log::is_enabled(LogLevel::Debug))
        log::debug(log_peer(ctx_, *session), "query time: {} us", latency.count());
    session->query_from = session->quiet_since = ctx_.now;
    if (server.tracker.status() == TransactionStatus::Idle) {
        // Others may have prepared for what was before the commit.
        if (std::exchange(server.has_changed_schema, false)) note_schema_change(server);
        const Duration lasted = ctx_.now - session->transaction_from;
        counters.transactions.add(1);
        ++session->tally.transactions;
        counters.transaction_us.add(static_cast<uint64_t>(lasted.count()));
        histograms.transaction.record(lasted);
        if (log::is_enabled(LogLevel::Debug))
            log::debug(log_peer(ctx_, *session), "transaction time: {} us", lasted.count());
        session->transaction_from = ctx_.now;
        note_transaction(ctx_, server);
        if (session->is_write) session->last_write_at = ctx_.now;
        return true;
    }
    if (session->timeouts.idle_transaction_ms != 0) ctx_.clients->arm(*session);
    if (session->pool_mode == PoolMode::Statement) {
        ctx_.to_client.clear();
        server.is_stream_forwarded = false;
        server.held.clear();
        ctx_.clients->fail(
            *session, Error("08P01", "transaction blocks not allowed in statement pooling mode"));
    }
    return true;
}

// After a batch of the server's bytes: is it free, may its client go on?
bool Relay::settle(ServerConnection& server, const ServerOwner& owner) {
    ClientSession* session = server.client;
    if (server.lookup != nullptr) {
        if (is_ready_seen_) ctx_.lookups->on_ready(server);
        return server.load_owner() == owner;
    }
    if (session == nullptr) {
        // An error in an open batch: its answer ends here, no ReadyForQuery will come by itself.
        const bool may_go_on = is_ready_seen_ || server.tracker.is_skipping_to_sync();
        if (server.phase == ServerPhase::Cleaning && may_go_on) ctx_.servers->clean(server);
        return server.load_owner() == owner;
    }
    if (is_ready_seen_ && server.phase != ServerPhase::Relaying) {
        ctx_.leasing->on_prologue_done(server);
        return server.load_owner() == owner;
    }
    if (is_ready_seen_ && closes_fast(server)) {
        ctx_.servers->close(server, "database configuration changed");
        return false;
    }
    resume(server);
    if (!is_over(server)) {
        if (!server.held.empty() || server.parser.is_mid_message())
            ctx_.servers->watch_stall(server);
        return true;
    }
    ctx_.leasing->release_from(*session);
    if (!session->held.empty()) ctx_.clients->schedule(*session);
    return server.load_owner() == owner;
}

// server_fast_close: it is to be replaced, and need not wait for its client's session to end.
bool Relay::closes_fast(const ServerConnection& server) const {
    const ClientSession* session = server.client;
    return ctx_.config->global.server_fast_close && session != nullptr &&
           session->pool_mode == PoolMode::Session && !server.is_dedicated() &&
           server.phase == ServerPhase::Relaying && server.is_clean() &&
           !session->parser.is_mid_message() && server.pool->is_obsolete(server);
}

void Relay::close_obsolete() {
    std::vector<ServerConnection*> obsolete;
    for (ServerConnection* server = ctx_.owned.front(); server != nullptr;
         server = ctx_.owned.next(*server)) {
        if (closes_fast(*server)) obsolete.push_back(server);
    }
    for (ServerConnection* server : obsolete) {
        if (server->OwnedHook::is_linked() && closes_fast(*server))
            ctx_.servers->close(*server, "database configuration changed");
    }
}

}  // namespace weir
