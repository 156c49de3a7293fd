// The part of Relay that makes prepared statements work when a client's next transaction may run on
// another server: names are derived from content, each server gets one Parse of a text at the most
// (until tables or types change), and what a server has already is answered by us, in its place in
// the stream of replies.
#include <array>

#include "protocol/base/random.h"
#include "protocol/message/writer.h"
#include "proxy/prepared/forgetting.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/relay/query_recorder.h"
#include "proxy/session/relay/relay.h"

namespace weir {

namespace {

// statement_error = keep: what is wrong with a statement; in front of its name and behind it, in a
// name that no server has.
constexpr char kMissing = '\1';
constexpr char kTaken = '\2';
// A named statement must fit in memory.
constexpr uint32_t kParseBytesMax = 256 * 1024 * 1024;
// With a name of 63 bytes, quoted, and much room; a longer query is not looked at.
constexpr uint32_t kDeallocateBytesMax = 512;

uint32_t schema_of(const ServerConnection& server) {
    return server.pool->database_state().schema.load(std::memory_order_relaxed);
}

// The server has prepared it for tables and types that have changed since. Whoever prepares it now
// expects what it means now; to those who did so before, it is for the server to say that it has
// changed (0A000), as it does without a pooler.
bool is_outdated(const ServerConnection& server, ServerStatements::Handle handle) {
    return server.statements.schema(handle) != schema_of(server);
}

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

// Is what it is asked to be remembered?
bool Relay::is_noted(const ServerConnection& server) const {
    return ctx_.leaks->is_watching() || server.queries != nullptr;
}

// The text that a Parse brings, as far as it is here.
void Relay::note_parse(ClientSession& session, const Piece& piece) {
    const std::string_view body = as_text(piece.body());
    const size_t text_at = body.find('\0') + 1;  // behind the name
    if (text_at == 0) return;
    ctx_.leaks->on_query(*session.server, body.substr(text_at));
    if (rewrites(session)) {
        QueryRecorder::on_statement(*session.server, body.substr(text_at));
    } else {
        ctx_.recorder->on_parse(*session.server, body.substr(0, text_at - 1), body.substr(text_at));
    }
}

// The statement that a Bind runs, where its text is not known.
void Relay::note_bind(ClientSession& session, const Piece& piece) {
    const auto bind = view_bind_prefix(piece.body());
    if (!bind) return;
    ctx_.recorder->on_bind(*session.server, bind->statement);
    if (!bind->statement.empty()) ctx_.leaks->on_prepared_query(*session.server, bind->statement);
}

Relay::Step Relay::on_parse(ClientSession& session, const Piece& piece) {
    ServerConnection& server = *session.server;
    if (is_noted(server)) note_parse(session, piece);
    if (!rewrites(session)) return pass(session, piece, Request::Parse);
    if (piece.body().empty())
        return piece.is_complete() ? pass(session, piece, Request::Parse) : Step::NeedMore;
    if (piece.body()[0] == 0) return on_parse_unnamed(session, piece);
    if (piece.length > kParseBytesMax)
        return refuse(session, Error("54000", "prepared statement is too long"));
    if (!piece.is_complete()) return Step::NeedWhole;
    const auto parse = view_parse(piece.body());
    if (!parse) return refuse(session, Error("08P01", "invalid Parse message"));
    ClientStatements& mine = statements_of(session);
    const uint64_t batch = server.tracker.batch();
    if (is_forgetting(server) || mine.has_many_unconfirmed()) return wait_for_all(session);
    if (mine.is_undecided(parse->name, batch)) return wait_for_earlier(session);
    if (mine.find(parse->name) != nullptr) {
        if (ctx_.config->global.statement_error == StatementError::Keep)
            return let_refuse(session, parse->name, kTaken);
        if (server.tracker.pending() > 0) return wait_for_all(session);
        return refuse(session, Error("08P01", "prepared statement name is already in use"));
    }
    if (!ctx_.leaks->may_prepare(session)) {
        ctx_.leaks->on_refused(session);
        return refuse(session, Error("54000", "too many prepared statements"));
    }
    Statement& statement = statement_of(server, parse->text_and_types);
    ServerStatements::Handle handle = server.statements.use(statement.id);
    if (server.statements.is_undecided(statement.id, handle, batch)) {
        ctx_.statements.release(statement);
        return wait_for_earlier(session);
    }
    if (handle != ServerStatements::kNone && is_outdated(server, handle)) {
        close_statement(server, handle);
        handle = ServerStatements::kNone;
    }
    const bool is_new = handle == ServerStatements::kNone;
    if (is_new && !make_room(server)) {
        ctx_.statements.release(statement);
        return wait_for_earlier(session);
    }
    ctx_.counters(*session.pool).client_parses.add(1);
    mine.insert(parse->name, statement);
    mine.expect_parse(parse->name, batch);
    ctx_.leaks->on_prepared(session);
    count_prepared(session, !is_new);
    if (is_new) {
        send_parse(session, statement, Origin::Client);
    } else {
        server.tracker.sent(Request::Parse, Origin::Faked);
    }
    return Step::Used;
}

// As it reads when `server` parses it now; the reference is the caller's. When nobody can say how
// that is, the statement is like no other.
Statement& Relay::statement_of(ServerConnection& server, ByteView text_and_types) {
    settings_.clear();
    if (is_setting(server)) {
        std::array<uint8_t, 16> unique;
        secure_random(unique);
        settings_ = as_text(unique);
    } else {
        server.parameters.append_settings(ctx_.shared.names, settings_);
    }
    return ctx_.statements.acquire(text_and_types, true, settings_);
}

void Relay::count_prepared(const ClientSession& session, bool is_there) {
    PoolCounters& counters = ctx_.counters(*session.pool);
    (is_there ? counters.prepared_hits : counters.prepared_misses).add(1);
}

void Relay::send_parse(ClientSession& session, const Statement& statement, Origin origin) {
    ServerConnection& server = *session.server;
    const ServerStatements::Handle handle =
        server.statements.insert(statement.id, server.tracker.batch(), schema_of(server));
    scratch_.clear();
    write_parse(scratch_, statement.name_view(), as_bytes(statement.text_and_types));
    ctx_.to_server.append_copy(scratch_);
    server.tracker.sent(Request::Parse, origin, handle);
    ctx_.counters(*session.pool).server_parses.add(1);
}

// For one statement more. False when the one to go is undecided: were it closed and its Parse
// skipped, nobody could tell from the answers what the server has left.
bool Relay::make_room(ServerConnection& server) {
    const auto max = static_cast<size_t>(ctx_.config->global.max_prepared_statements);
    while (server.statements.size() >= max) {
        const ServerStatements::Handle oldest = server.statements.oldest();
        const StatementId& id = server.statements.id(oldest);
        if (server.statements.is_undecided(id, oldest, server.tracker.batch())) return false;
        close_statement(server, oldest);
    }
    return true;
}

void Relay::close_statement(ServerConnection& server, ServerStatements::Handle handle) {
    const ServerName name = server_name(server.statements.id(handle));
    scratch_.clear();
    write_close_statement(scratch_, {name.data(), name.size()});
    ctx_.to_server.append_copy(scratch_);
    server.statements.begin_close(handle, server.tracker.batch());
    server.tracker.sent(Request::Close, Origin::Proxy, handle);
}

void Relay::note_schema_change(ServerConnection& server) {
    server.pool->database_state().schema.fetch_add(1, std::memory_order_relaxed);
}

// ---- waiting, where what to do depends on answers that are on their way ----

// For the answers of earlier batches, whose Sync has been sent: they come by themselves.
Relay::Step Relay::wait_for_earlier(ClientSession& session) {
    return block(session, session.server->tracker.open_batch());
}

// For those of the open batch, too, which the server is asked for.
Relay::Step Relay::wait_for_all(ClientSession& session) {
    if (session.server->tracker.open_batch() > 0) {
        ctx_.to_server.append_copy(std::string_view("H\0\0\0\4", 5));
        is_flush_seen_ = true;
    }
    return block(session, 0);
}

void Relay::note_effects(ServerConnection& server, Effects effects) {
    if (effects.may_forget) server.may_forget = true;
    if (effects.may_set) server.may_set = true;
}

// The server may be about to forget what it has prepared; a portal that does so can wait in a
// transaction for its Execute.
bool Relay::is_forgetting(ServerConnection& server) {
    if (!server.may_forget) return false;
    if (server.tracker.pending() > 0) return true;
    if (server.tracker.status() == TransactionStatus::Idle) server.may_forget = false;
    return false;
}

// The settings may not be those that the server has told of, which it does at the end of a batch.
bool Relay::is_setting(ServerConnection& server) {
    if (!server.may_set) return false;
    if (server.tracker.pending() > 0 || server.tracker.is_unsynced()) return true;
    if (server.tracker.status() == TransactionStatus::Idle) server.may_set = false;
    return false;
}

// ---- what uses statements ----

// An ERROR in a batch makes the server skip the rest of it and abort a transaction; only the server
// can do that. So it gets a Bind that it refuses.
Relay::Step Relay::let_refuse(ClientSession& session, std::string_view name, char why) {
    const std::string marked = why + std::string(name) + why;
    scratch_.clear();
    MessageWriter writer(scratch_);
    writer.begin(static_cast<uint8_t>(FrontendTag::Bind));
    writer.cstring("");
    writer.cstring(marked);
    for (int i = 0; i < 3; ++i)
        writer.u16(0);  // no formats, no values, no formats of results
    writer.end();
    ctx_.to_server.append_copy(scratch_);
    session.server->tracker.sent(Request::Bind, Origin::Client);
    session.is_discarding_body = true;
    return Step::Used;
}

bool Relay::put_refusal(ServerConnection& server, const ErrorView& error) {
    for (const char why : {kMissing, kTaken}) {
        const size_t first = error.message.find(why);
        const size_t last = error.message.rfind(why);
        if (first == std::string_view::npos || first == last) continue;
        std::string text(error.message);  // maybe in another language
        text.erase(last, 1);
        text.erase(first, 1);
        if (why == kTaken) {
            const std::string_view name = error.message.substr(first + 1, last - first - 1);
            text = "prepared statement \"" + std::string(name) + "\" already exists";
        }
        std::string answer;
        write_error(answer, {.sqlstate = why == kTaken ? "42P05" : "26000", .message = text});
        ctx_.to_client.append_copy(answer);
        server.is_stream_forwarded = false;  // this takes its place
        return true;
    }
    return false;
}

// Used, and `out` filled, when the server will have the statement that the client calls `name`;
// Used and null when the server is to refuse it.
Relay::Step Relay::prepare_named(ClientSession& session, std::string_view name,
                                 const Statement*& out) {
    ServerConnection& server = *session.server;
    if (is_forgetting(server)) return wait_for_all(session);
    const uint64_t batch = server.tracker.batch();
    ClientStatements& mine = statements_of(session);
    if (mine.is_undecided(name, batch)) return wait_for_earlier(session);
    const Statement* statement = mine.find(name);
    if (statement == nullptr && ctx_.config->global.statement_error == StatementError::Keep)
        return let_refuse(session, name, kMissing);
    if (statement == nullptr) {
        // Unless the batch has failed before: then the server skips this message.
        if (server.tracker.pending() > 0) return wait_for_all(session);
        return refuse(session, Error("08P01", "prepared statement did not exist"));
    }
    ServerStatements::Handle handle = server.statements.use(statement->id);
    if (server.statements.is_undecided(statement->id, handle, batch))
        return wait_for_earlier(session);
    if (handle == ServerStatements::kNone) {
        // If the client has changed its settings since it parsed this, it is read under the new
        // ones.
        Statement& now = statement_of(server, as_bytes(statement->text_and_types));
        mine.replace(name, now);
        statement = &now;
        handle = server.statements.use(now.id);
        if (server.statements.is_undecided(now.id, handle, batch)) return wait_for_earlier(session);
    }
    const bool is_new = handle == ServerStatements::kNone;
    if (is_new && !make_room(server)) return wait_for_earlier(session);
    if (is_new) send_parse(session, *statement, Origin::Proxy);
    count_prepared(session, !is_new);
    out = statement;
    return Step::Used;
}

Relay::Step Relay::on_bind(ClientSession& session, const Piece& piece) {
    if (!rewrites(session)) {
        if (is_noted(*session.server)) note_bind(session, piece);
        return pass(session, piece, Request::Bind);
    }
    const auto bind = view_bind_prefix(piece.body());
    if (!bind) {
        if (!piece.is_complete()) return Step::NeedMore;
        return refuse(session, Error("08P01", "invalid Bind message"));
    }
    if (bind->statement.empty()) {
        const Step step = on_unnamed(session, piece, Request::Bind);
        if (step == Step::Used) ctx_.counters(*session.pool).binds.add(1);
        return step;
    }
    const Statement* statement = nullptr;
    const Step step = prepare_named(session, bind->statement, statement);
    if (step != Step::Used || statement == nullptr) return step;
    ctx_.counters(*session.pool).binds.add(1);
    note_effects(*session.server, statement->effects);
    ctx_.leaks->on_query(*session.server, statement->text_and_types);
    QueryRecorder::on_statement(*session.server, statement->text_and_types);
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
        if (!is_close) return on_unnamed(session, piece, Request::DescribeStatement);
        const Step step = on_unnamed(session, piece, Request::Close);
        if (step == Step::Used) forget_unnamed(session);
        return step;
    }
    if (is_close) {
        ClientStatements& mine = statements_of(session);
        if (mine.has_many_unconfirmed()) return wait_for_all(session);
        // The server keeps it for others; only this client's name for it goes.
        mine.expect_close(target->name, session.server->tracker.batch());
        session.server->tracker.sent(Request::Close, Origin::Faked);
        return Step::Used;
    }
    const Statement* statement = nullptr;
    const Step step = prepare_named(session, target->name, statement);
    if (step != Step::Used || statement == nullptr) return step;
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

// DEALLOCATE of a statement that the client has prepared by Parse, as PDO, DBD::Pg and ActiveRecord
// write it (in the extended protocol: parse_deallocate). The server knows it by another name and
// keeps it for others: only this client's name goes, and the server is asked for no more than how
// the transaction stands. Nothing when it is for the server to say: that name is not ours, or the
// transaction has failed (25P02).
std::optional<Relay::Step> Relay::deallocate(ClientSession& session, const Piece& piece) {
    if (!rewrites(session) || piece.length > kDeallocateBytesMax) return std::nullopt;
    if (!piece.is_complete()) return Step::NeedWhole;
    const auto query = view_query(piece.body());
    if (!query) return std::nullopt;
    const std::optional<std::string> name = deallocated_name(query->sql);
    if (!name) return std::nullopt;
    // Whether it is ours, and how the transaction stands, is certain when nothing is owed.
    ServerConnection& server = *session.server;
    if (server.tracker.pending() > 0) return wait_for_all(session);
    if (server.tracker.status() == TransactionStatus::Failed ||
        session.statements->find(*name) == nullptr) {
        return std::nullopt;
    }
    session.statements->erase(*name);
    forget_unnamed(session);  // as every simple query does
    ctx_.leaks->on_query(server, query->sql);
    QueryRecorder::on_statement(server, query->sql);
    std::string answer;
    write_command_complete(answer, "DEALLOCATE");
    ctx_.to_client.append_copy(answer);
    ctx_.to_server.append_copy(std::string_view("S\0\0\0\4", 5));
    server.tracker.sent(Request::Sync, Origin::Client);
    QueryRecorder::on_sent(server, SampleKind::Query);
    return Step::Used;
}

}  // namespace weir
