// The part of Relay that makes prepared statements work when a client's next transaction may run on
// another server: names are derived from content, each server gets one Parse of a text at the most,
// and what a server has already is answered by us, in its place in the stream of replies.
#include "protocol/message/frontend.h"
#include "protocol/message/writer.h"
#include "proxy/session/leasing.h"
#include "proxy/session/relay.h"

namespace weir {

namespace {

// An unnamed statement longer than this is not remembered beyond its transaction.
constexpr size_t kUnnamedBytesMax = 16 * 1024;
// A named statement must fit in memory.
constexpr uint32_t kParseBytesMax = 256 * 1024 * 1024;

}  // namespace

bool Relay::rewrites(const ClientSession& session) const {
    return session.pool_mode != PoolMode::Session &&
           ctx_.config->global.max_prepared_statements > 0;
}

ClientStatements& Relay::statements_of(ClientSession& session) {
    if (session.statements == nullptr) {
        session.statements = std::make_unique<ClientStatements>(ctx_.statements);
    }
    return *session.statements;
}

Relay::Step Relay::on_parse(ClientSession& session, const Piece& piece) {
    ServerConnection& server = *session.server;
    if (!rewrites(session)) return pass(session, piece, Request::Parse);
    if (piece.body().empty())
        return piece.is_complete() ? pass(session, piece, Request::Parse) : Step::NeedMore;
    const bool is_unnamed = piece.body()[0] == 0;
    if (is_unnamed && piece.length > kUnnamedBytesMax) {
        if (session.statements != nullptr) session.statements->forget_unnamed();
        server.unnamed_of = session.client_id();
        return pass(session, piece, Request::Parse);
    }
    if (piece.length > kParseBytesMax)
        return refuse(session, Error("54000", "prepared statement is too long"));
    if (!piece.is_complete()) return Step::NeedWhole;
    const auto parse = view_parse(piece.body());
    if (!parse) return refuse(session, Error("08P01", "invalid Parse message"));
    ctx_.counters(*session.pool).client_parses.add(1);
    ClientStatements& mine = statements_of(session);
    if (is_unnamed) {
        mine.insert("", ctx_.statements.acquire(parse->text_and_types, false));
        server.unnamed_of = session.client_id();
        ctx_.counters(*session.pool).server_parses.add(1);
        return pass(session, piece, Request::Parse);
    }
    if (mine.find(parse->name) != nullptr && may_change(server)) return block_for_answers(session);
    Statement& statement = ctx_.statements.acquire(parse->text_and_types, true);
    if (may_change(server) && server.statements.is_parse_pending(statement.id)) {
        ctx_.statements.release(statement);
        return block_for_answers(session);
    }
    if (!mine.insert(parse->name, statement)) {
        return refuse(session, Error("08P01", "prepared statement name is already in use"));
    }
    mine.expect_parse(parse->name);
    if (server.statements.use(statement.id) != ServerStatements::kNone) {
        server.tracker.sent(Request::Parse, Origin::Faked);
        return Step::Used;
    }
    send_parse(session, statement, Origin::Client);
    return Step::Used;
}

void Relay::send_parse(ClientSession& session, const Statement& statement, Origin origin) {
    ServerConnection& server = *session.server;
    make_room(server);
    const ServerStatements::Handle handle = server.statements.insert(statement.id);
    scratch_.clear();
    write_parse(scratch_, statement.name_view(), as_bytes(statement.text_and_types));
    ctx_.to_server.append_copy(scratch_);
    server.tracker.sent(Request::Parse, origin, handle);
    ctx_.counters(*session.pool).server_parses.add(1);
}

void Relay::make_room(ServerConnection& server) {
    const auto max = static_cast<size_t>(ctx_.config->global.max_prepared_statements);
    while (server.statements.size() >= max) {
        const ServerStatements::Handle oldest = server.statements.oldest();
        const ServerName name = server_name(server.statements.id(oldest));
        scratch_.clear();
        write_close_statement(scratch_, {name.data(), name.size()});
        ctx_.to_server.append_copy(scratch_);
        server.statements.begin_close(oldest);
        server.tracker.sent(Request::Close, Origin::Proxy, oldest);
    }
}

// The unnamed statement on the server is the one that this client parsed last, whoever used it
// since.
void Relay::ensure_unnamed(ClientSession& session) {
    ServerConnection& server = *session.server;
    if (server.unnamed_of == session.client_id()) return;
    const Statement* mine = session.statements == nullptr ? nullptr : session.statements->find("");
    scratch_.clear();
    if (mine != nullptr) {
        write_parse(scratch_, "", as_bytes(mine->text_and_types));
        server.tracker.sent(Request::Parse, Origin::Proxy);
    } else {
        write_close_statement(scratch_, "");  // it has none: the server is to say so
        server.tracker.sent(Request::Close, Origin::Proxy);
    }
    ctx_.to_server.append_copy(scratch_);
    server.unnamed_of = session.client_id();
}

// Answers of earlier batches are on their way (their Sync has been sent) that may change which
// names the client has: a DISCARD ALL that runs, a Close that is skipped.
bool Relay::may_change(const ServerConnection& server) {
    return server.tracker.pending() > server.tracker.open_batch();
}

Relay::Step Relay::block_for_answers(ClientSession& session) {
    return block(session, session.server->tracker.open_batch());
}

bool Relay::is_undecided(const ClientSession& session, std::string_view name) {
    const bool is_known =
        session.statements != nullptr && session.statements->find(name) != nullptr;
    return !is_known && may_change(*session.server);
}

Statement* Relay::prepare_named(ClientSession& session, std::string_view name) {
    Statement* statement = session.statements == nullptr ? nullptr : session.statements->find(name);
    if (statement == nullptr) {
        refuse(session, Error("08P01", "prepared statement did not exist"));
        return nullptr;
    }
    if (session.server->statements.use(statement->id) == ServerStatements::kNone) {
        send_parse(session, *statement, Origin::Proxy);
    }
    return statement;
}

Relay::Step Relay::on_bind(ClientSession& session, const Piece& piece) {
    if (!rewrites(session)) return pass(session, piece, Request::Bind);
    const auto bind = view_bind_prefix(piece.body());
    if (!bind) {
        if (!piece.is_complete()) return Step::NeedMore;
        return refuse(session, Error("08P01", "invalid Bind message"));
    }
    if (bind->statement.empty()) {
        ctx_.counters(*session.pool).binds.add(1);
        ensure_unnamed(session);
        return pass(session, piece, Request::Bind);
    }
    if (is_undecided(session, bind->statement)) return block_for_answers(session);
    ctx_.counters(*session.pool).binds.add(1);
    const Statement* statement = prepare_named(session, bind->statement);
    if (statement == nullptr) return Step::Stopped;
    scratch_.clear();
    MessageWriter writer(scratch_);
    writer.u8(piece.tag);
    writer.u32(static_cast<uint32_t>(piece.length - bind->statement.size() + kServerNameBytes));
    writer.cstring(bind->portal);
    writer.cstring(statement->name_view());
    ctx_.to_server.append_copy(scratch_);
    ctx_.to_server.append(piece.body().subspan(bind->names_bytes));
    session.server->tracker.sent(Request::Bind, Origin::Client);
    return Step::Used;
}

Relay::Step Relay::on_target(ClientSession& session, const Piece& piece) {
    const bool is_close = static_cast<FrontendTag>(piece.tag) == FrontendTag::Close;
    const Request request = is_close ? Request::Close : Request::DescribePortal;
    if (!rewrites(session)) return pass(session, piece, request);
    if (!piece.is_complete()) return Step::NeedWhole;
    const auto target = view_target(piece.body());
    if (!target) return refuse(session, Error("08P01", "invalid Describe or Close message"));
    if (target->kind == 'P') return pass(session, piece, request);
    if (target->name.empty()) {
        ensure_unnamed(session);
        if (is_close) statements_of(session).forget_unnamed();
        return pass(session, piece, is_close ? Request::Close : Request::DescribeStatement);
    }
    if (is_close) {
        // The server keeps it for others; only this client's name for it goes.
        statements_of(session).expect_close(target->name);
        session.server->tracker.sent(Request::Close, Origin::Faked);
        return Step::Used;
    }
    if (is_undecided(session, target->name)) return block_for_answers(session);
    const Statement* statement = prepare_named(session, target->name);
    if (statement == nullptr) return Step::Stopped;
    scratch_.clear();
    MessageWriter writer(scratch_);
    writer.begin(piece.tag);
    writer.u8('S');
    writer.cstring(statement->name_view());
    writer.end();
    ctx_.to_server.append_copy(scratch_);
    session.server->tracker.sent(Request::DescribeStatement, Origin::Client);
    return Step::Used;
}

// ---- answers ----

// Answers that the proxy owes and whose turn has come. Only between messages of the server.
void Relay::emit_faked(ServerConnection& server) {
    if (server.parser.is_mid_message()) return;
    PendingReply due;
    while (server.tracker.take_faked(due)) {
        if (server.client == nullptr) continue;
        const bool is_parse = due.request == Request::Parse;
        ctx_.to_client.append_copy(is_parse ? std::string_view("1\0\0\0\4", 5)
                                            : std::string_view("3\0\0\0\4", 5));
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
    constexpr std::string_view kDeallocateAll("DEALLOCATE ALL\0", 15);
    constexpr std::string_view kDiscardAll("DISCARD ALL\0", 12);
    if (body != kDeallocateAll && body != kDiscardAll) return;
    server.statements.forget_parsed();
    server.unnamed_of = {};
    if (server.client != nullptr && server.client->statements != nullptr &&
        server.is_stream_forwarded) {
        server.client->statements->forget_confirmed();
    }
}

}  // namespace weir
