// Relay, the part that asks the rate limits when a session without a server sends something.
#include "protocol/message/frontend.h"
#include "protocol/message/writer.h"
#include "proxy/limits/query_class.h"
#include "proxy/session/relay/relay.h"
#include "proxy/session/throttle.h"

namespace weir {

namespace {

// The text that `piece` will run, or prepare; nothing when it cannot be told.
std::optional<std::string_view> text_of(const ClientSession& session, const Piece& piece) {
    const std::string_view body = as_text(piece.body());
    switch (static_cast<FrontendTag>(piece.tag)) {
        case FrontendTag::Query: return body.substr(0, body.find('\0'));
        case FrontendTag::Parse: {
            const size_t name_bytes = body.find('\0');
            if (name_bytes == std::string_view::npos) return std::nullopt;
            const std::string_view sql = body.substr(name_bytes + 1);
            return sql.substr(0, sql.find('\0'));
        }
        case FrontendTag::Bind: {
            const auto bind = view_bind_prefix(piece.body());
            if (!bind || session.statements == nullptr) return std::nullopt;
            const Statement* statement = session.statements->find(bind->statement);
            if (statement == nullptr) return std::nullopt;
            return statement->sql();
        }
        default: return std::nullopt;
    }
}

// The text that a batch begins with. Drivers clean up first: they close what they no longer need.
std::optional<std::string_view> text_of_batch(const ClientSession& session, ByteView input) {
    FrameParser parser = session.parser;
    Piece piece = parser.peek(input);
    while (piece.kind == Piece::Kind::Start && piece.is_complete() &&
           static_cast<FrontendTag>(piece.tag) == FrontendTag::Close) {
        parser.consume(piece);
        input = input.subspan(piece.bytes.size());
        piece = parser.peek(input);
    }
    if (piece.kind != Piece::Kind::Start) return std::nullopt;
    const std::optional<std::string_view> text = text_of(session, piece);
    // An empty text may only be one that has not come yet.
    return text && text->empty() && !piece.is_complete() ? std::nullopt : text;
}

}  // namespace

std::optional<Relay::Step> Relay::ask_limits(ClientSession& session, const Piece& piece,
                                             ByteView input) {
    SessionLimits& limits = *session.limits;
    const std::optional<std::string_view> sql = text_of_batch(session, input);
    // In session pooling it would get the server for all that follows.
    const bool is_life_sign = sql && sql->empty() && session.pool_mode != PoolMode::Session;
    if (is_life_sign && limits.let_life_sign(ctx_.now)) return std::nullopt;
    const QueryClass query_class =
        limits.needs_class() && sql ? query_class_of(*sql) : QueryClass::Utility;
    const SessionLimits::Verdict verdict = limits.begin(ctx_.now, query_class);
    switch (verdict.kind) {
        case SessionLimits::Verdict::Kind::Go: return std::nullopt;
        case SessionLimits::Verdict::Kind::Wait:
            ctx_.throttle->park(session, verdict.again_at);
            return Step::Stopped;
        case SessionLimits::Verdict::Kind::Refuse: break;
    }
    session.quiet_since = ctx_.now;
    std::string text;
    drop_request(session, piece, verdict.refusal.error("53400"), text);
    ctx_.to_client.append_copy(text);
    return Step::Used;
}

}  // namespace weir
