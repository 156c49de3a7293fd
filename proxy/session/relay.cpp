#include "proxy/session/relay.h"

#include "conf/logging.h"
#include "protocol/message/backend.h"
#include "protocol/message/frontend.h"
#include "protocol/message/writer.h"
#include "proxy/session/clients.h"
#include "proxy/session/evidence.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/leasing.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/query_recorder.h"
#include "proxy/session/secret_lookups.h"
#include "proxy/session/servers.h"
#include "proxy/session/splitting.h"
#include "proxy/session/throttle.h"

namespace weir {

// ---- client to server ----

size_t Relay::from_client(ClientSession& session, ByteView input) {
    if (session.phase == ClientPhase::Console) return to_console(session, input);
    const uint32_t life = session.generation;
    is_flush_seen_ = false;
    size_t used = 0;
    while (used < input.size()) {
        const Piece piece = session.parser.peek(input.subspan(used));
        if (piece.kind == Piece::Kind::NeedMore) break;
        Step step = Step::Used;
        if (piece.kind == Piece::Kind::Malformed) {
            step = refuse(session,
                          Error("08P01", piece.length < 4 ? "invalid message length"
                                                          : "invalid message type or length"));
        } else if (piece.kind == Piece::Kind::Start) {
            step = on_message(session, piece, input.subspan(used));
        } else if (!session.is_discarding_body) {
            ctx_.to_server.append(piece.bytes);
        }
        if (session.generation != life || session.phase == ClientPhase::Closing)
            return input.size();
        if (step == Step::NeedWhole)
            session.whole_bytes = static_cast<uint32_t>(piece.total_bytes());
        if (step != Step::Used) break;
        session.parser.consume(piece);
        used += piece.bytes.size();
    }
    if (ServerConnection* server = session.server; server != nullptr && !ctx_.to_server.empty()) {
        if (ctx_.servers->flush(*server) && !server->outbox.empty()) session.is_read_paused = true;
    }
    if (session.generation != life || session.phase == ClientPhase::Closing) return input.size();
    if (is_flush_seen_ && session.server != nullptr) {
        emit_faked(*session.server);
        resume(*session.server);
    }
    count_bytes(session, used);
    if (session.server != nullptr) QueryRecorder::on_bytes_in(*session.server, used);
    if (scratch_.capacity() > kScratchBytesMax) std::string().swap(scratch_);
    ctx_.clients->flush(session);
    // A server that became clean while half a message was under way is not told of its end.
    if (session.server != nullptr && is_over(*session.server)) ctx_.leasing->release_from(session);
    return used;
}

// The server has nothing more to do for its client, which is not in the middle of a message.
bool Relay::is_over(const ServerConnection& server) {
    const ClientSession& session = *server.client;
    return server.is_clean() && session.pool_mode != PoolMode::Session &&
           server.phase == ServerPhase::Relaying && !session.parser.is_mid_message();
}

// Ends the session with `error`, after what it sent before has gone out: the tracker counts on
// that.
Relay::Step Relay::refuse(ClientSession& session, const Error& error) {
    if (session.server != nullptr) ctx_.servers->flush(*session.server);
    ctx_.to_server.clear();
    ctx_.clients->flush(session);
    ctx_.clients->fail(session, error);
    return Step::Stopped;
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

// A server that has nothing to do ignores it.
bool Relay::is_idle_message(FrontendTag tag) {
    return tag == FrontendTag::CopyData || tag == FrontendTag::CopyDone ||
           tag == FrontendTag::CopyFail || tag == FrontendTag::Flush;
}

// The first message of a transaction looks for its server. Nothing = it is there.
std::optional<Relay::Step> Relay::begin(ClientSession& session, const Piece& piece,
                                        ByteView input) {
    // What is left of a COPY that has failed, or a Flush of nothing: no server is needed to ignore
    // it.
    session.is_discarding_body = is_idle_message(static_cast<FrontendTag>(piece.tag));
    if (session.is_discarding_body) return Step::Used;
    // Half a message and silence must not hold a server.
    if (!piece.is_complete() && piece.total_bytes() <= kHeldMessageBytesMax) return Step::NeedWhole;
    // What was gathered for this client goes out first: the session may end here.
    const uint32_t life = session.generation;
    ctx_.clients->flush(session);
    if (session.generation != life) return Step::Stopped;
    if (session.limits != nullptr) {
        if (const std::optional<Step> refused = ask_limits(session, piece, input)) return refused;
    }
    if (session.may_split) ctx_.splitting->decide(session, input);
    if (!ctx_.leasing->request(session)) return Step::Stopped;
    return std::nullopt;
}

Relay::Step Relay::on_message(ClientSession& session, const Piece& piece, ByteView input) {
    const auto tag = static_cast<FrontendTag>(piece.tag);
    if (log::is_enabled(LogLevel::Noise)) {
        log::noise(log_peer(ctx_, session), "read pkt='{}' len={}", static_cast<char>(piece.tag),
                   piece.total_bytes());
    }
    if (tag == FrontendTag::Terminate) {
        if (session.server != nullptr) ctx_.servers->flush(*session.server);
        ctx_.to_server.clear();
        ctx_.to_client.clear();
        ctx_.clients->close(session, "client close request");
        return Step::Stopped;
    }
    if (tag == FrontendTag::Password)
        return refuse(session, Error("08P01", "unexpected password message"));
    // The server would answer it with an error that the tracker cannot expect: nothing is owed for
    // a Flush, and a Sync that fails is followed by no ReadyForQuery.
    const bool has_no_body = tag == FrontendTag::Sync || tag == FrontendTag::Flush;
    if (has_no_body && piece.length != 4)
        return refuse(session, Error("08P01", "invalid message format"));
    if (session.is_discarding_to_sync) return discard(session, piece);
    if (session.server == nullptr) {
        if (const std::optional<Step> instead = begin(session, piece, input)) return *instead;
    }
    ProtocolTracker& tracker = session.server->tracker;
    if (session.server->phase != ServerPhase::Relaying) return Step::Stopped;
    if (tracker.pending() >= kPipelineDepthMax) return block(session, kPipelineDepthMax / 2);
    const bool is_copy_message = is_idle_message(tag) || tag == FrontendTag::Sync;
    if (tracker.wants_copy_data() && !is_copy_message) {
        const bool is_stream = tracker.copy_state() == CopyState::Both;
        return refuse(session,
                      Error("08P01", is_stream ? "unexpected message type while replicating"
                                               : "unexpected message type during COPY from "
                                                 "stdin"));
    }
    session.is_discarding_body = false;
    if (tracker.is_skipping_to_sync() && tag != FrontendTag::Sync) {
        session.is_discarding_body = true;  // the server would throw it away, too
        return Step::Used;
    }
    if (tracker.pending() == 0) session.query_from = ctx_.now;
    // In session pooling the client may have been idle since the last one.
    if (session.pool_mode == PoolMode::Session && tracker.is_releasable())
        session.transaction_from = ctx_.now;
    switch (tag) {
        case FrontendTag::Query:
            if (ctx_.config->global.disable_pqexec)
                return refuse(session, Error("08P01", "PQexec disallowed"));
            note_query(session, piece);
            ctx_.leaks->on_query(*session.server, as_text(piece.body()));
            QueryRecorder::on_statement(*session.server, as_text(piece.body()));
            QueryRecorder::on_execute(*session.server);
            return pass(session, piece, Request::Query);
        case FrontendTag::Sync: return pass(session, piece, Request::Sync);
        case FrontendTag::Execute:
            QueryRecorder::on_execute(*session.server);
            return pass(session, piece, Request::Execute);
        case FrontendTag::FunctionCall: return pass(session, piece, Request::FunctionCall);
        case FrontendTag::CopyDone:
        case FrontendTag::CopyFail: return pass(session, piece, Request::CopyEnd);
        case FrontendTag::Parse: return on_parse(session, piece);
        case FrontendTag::Bind: return on_bind(session, piece);
        case FrontendTag::Describe:
        case FrontendTag::Close: return on_target(session, piece);
        case FrontendTag::Flush: is_flush_seen_ = true; break;
        default: break;  // CopyData
    }
    ctx_.to_server.append(piece.bytes);
    return Step::Used;
}

// The client's input waits until no more than `pending` answers are owed.
Relay::Step Relay::block(ClientSession& session, uint32_t pending) {
    session.is_depth_blocked = true;
    session.resume_at_pending = pending;
    return Step::Stopped;
}

// A blocked client goes on when it may, or when the server waits for what it sends (COPY).
void Relay::resume(const ServerConnection& server) {
    ClientSession& session = *server.client;
    if (!session.is_depth_blocked) return;
    const ProtocolTracker& tracker = server.tracker;
    if (tracker.pending() > session.resume_at_pending && !tracker.wants_copy_data()) return;
    session.is_depth_blocked = false;
    ctx_.clients->schedule(session);
}

Relay::Step Relay::pass(ClientSession& session, const Piece& piece, Request request) {
    session.server->tracker.sent(request, Origin::Client);
    ctx_.to_server.append(piece.bytes);
    if (request == Request::Query || request == Request::Sync) {
        QueryRecorder::on_sent(*session.server, SampleKind::Query);
    } else if (request == Request::FunctionCall) {
        QueryRecorder::on_sent(*session.server, SampleKind::FunctionCall);
    }
    return Step::Used;
}

// Part of a batch whose beginning was rejected: dropped, up to the Sync, which is answered here.
Relay::Step Relay::discard(ClientSession& session, const Piece& piece) {
    session.is_discarding_body = true;
    if (static_cast<FrontendTag>(piece.tag) == FrontendTag::Sync) {
        session.is_discarding_to_sync = false;
        std::string ready;
        write_ready_for_query(ready, TransactionStatus::Idle);
        ctx_.to_client.append_copy(ready);
    }
    return Step::Used;
}

// The answer to a request that is not carried out; what follows of it is thrown away: its body and,
// when it begins an extended batch, all up to the Sync.
void Relay::drop_request(ClientSession& session, const Piece& first, const Error& error,
                         std::string& answer) {
    const auto tag = static_cast<FrontendTag>(first.tag);
    const bool is_batch =
        tag != FrontendTag::Query && tag != FrontendTag::FunctionCall && tag != FrontendTag::Sync;
    session.is_discarding_body = true;
    session.is_discarding_to_sync = is_batch;
    ctx_.stats.own_errors.note(error.sqlstate);
    write_error(answer,
                {.sqlstate = error.sqlstate, .message = error.message, .detail = error.detail});
    if (!is_batch) write_ready_for_query(answer, TransactionStatus::Idle);
}

void Relay::reject_request(ClientSession& session, const Error& error) {
    session.phase = ClientPhase::Idle;
    session.quiet_since = ctx_.now;
    Throttle::end(session, ctx_.now);
    std::string text;
    const ByteQueue input = std::move(session.held);
    session.held = ByteQueue();
    size_t used = 0;
    const Piece first = session.parser.peek(input.view());
    if (first.kind == Piece::Kind::Start) {
        drop_request(session, first, error, text);
        session.parser.consume(first);
        used = first.bytes.size();
    } else {
        ctx_.stats.own_errors.note(error.sqlstate);
        write_error(text,
                    {.sqlstate = error.sqlstate, .message = error.message, .detail = error.detail});
    }
    session.held.append(input.view().subspan(used));
    ctx_.clients->send(session, text);
    if (session.phase == ClientPhase::Idle) ctx_.clients->schedule(session);
}

size_t Relay::to_console(ClientSession& session, ByteView input) {
    constexpr uint32_t kMessageBytesMax = 1024 * 1024;
    size_t used = 0;
    while (true) {
        const Piece piece = session.parser.peek(input.subspan(used));
        if (piece.kind == Piece::Kind::Malformed || piece.length > kMessageBytesMax) {
            ctx_.clients->protocol_violation(session, "invalid message type or length");
            return input.size();
        }
        if (piece.kind == Piece::Kind::NeedMore) break;
        if (!piece.is_complete()) {
            session.whole_bytes = static_cast<uint32_t>(piece.total_bytes());
            break;
        }
        if (static_cast<FrontendTag>(piece.tag) == FrontendTag::Terminate) {
            ctx_.clients->close(session, "client close request");
            return input.size();
        }
        session.parser.consume(piece);
        used += piece.bytes.size();
    }
    if (used > 0) {
        ControlMessage message;
        message.kind = ControlMessage::Kind::ConsoleInput;
        message.client = session.client_id();
        message.user = session.user;
        message.database = session.database;
        message.address = log_peer(ctx_, session).address();
        message.is_admin = session.is_admin;
        message.text = as_text(input.first(used));
        ctx_.shared.exchange.post_control(std::move(message));
    }
    return used;
}

// ---- server to client ----

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
        if (dropped.request == Request::Close && has_handle) {
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
    if (!server.parser.is_mid_message()) emit_faked(server);
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
    // "cached plan must not change result type": the statements of this server are stale. It is
    // replaced when it comes back, so that the client's next try prepares anew.
    if (error.sqlstate == "0A000" && error.routine == "RevalidateCachedQuery") server.epoch = 0;
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
    server.parameters.set(static_cast<size_t>(index), parameter->value);
    const bool is_clients = server.client != nullptr && server.phase == ServerPhase::Relaying;
    if (is_clients) server.client->parameters.set(static_cast<size_t>(index), parameter->value);
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

}  // namespace weir
