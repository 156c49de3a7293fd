#include "proxy/session/relay/relay.h"

#include "conf/logging.h"
#include "protocol/message/writer.h"
#include "proxy/session/clients.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/leasing.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/relay/query_recorder.h"
#include "proxy/session/relay/splitting.h"
#include "proxy/session/servers.h"
#include "proxy/session/throttle.h"

namespace weir {

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
        case FrontendTag::Query: return on_query(session, piece);
        case FrontendTag::Sync: return pass(session, piece, Request::Sync);
        case FrontendTag::Execute: return on_execute(session, piece);
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

Relay::Step Relay::on_query(ClientSession& session, const Piece& piece) {
    if (ctx_.config->global.disable_pqexec)
        return refuse(session, Error("08P01", "PQexec disallowed"));
    if (session.statements != nullptr && session.statements->size() > 0) {
        if (const std::optional<Step> instead = deallocate(session, piece)) return *instead;
    }
    note_query(session, piece);
    ctx_.leaks->on_query(*session.server, as_text(piece.body()));
    QueryRecorder::on_statement(*session.server, as_text(piece.body()));
    QueryRecorder::on_execute(*session.server);
    return pass(session, piece, Request::Query);
}

Relay::Step Relay::on_execute(ClientSession& session, const Piece& piece) {
    ProtocolTracker& tracker = session.server->tracker;
    if (session.statements != nullptr && session.statements->has_many_unconfirmed())
        return wait_for_all(session);
    QueryRecorder::on_execute(*session.server);
    pass(session, piece, Request::Execute);
    if (session.statements == nullptr) return Step::Used;
    if (const std::string name = session.statements->take_deallocate(tracker.batch());
        !name.empty()) {
        session.statements->expect_close(name, tracker.batch());
        tracker.sent(Request::Close, Origin::Faked, PendingReply::kSilent);
    }
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

}  // namespace weir
