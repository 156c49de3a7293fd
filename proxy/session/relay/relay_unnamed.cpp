// Relay, the part that keeps the unnamed prepared statement apart: each client has one, which is
// the last that it parsed, whatever the server's is by then.
#include "protocol/message/writer.h"
#include "proxy/prepared/forgetting.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/relay/query_recorder.h"
#include "proxy/session/relay/relay.h"

namespace weir {

namespace {

// An unnamed statement longer than this is not remembered beyond its transaction.
constexpr size_t kUnnamedBytesMax = 16 * 1024;

}  // namespace

Relay::Step Relay::on_parse_unnamed(ClientSession& session, const Piece& piece) {
    if (piece.length > kUnnamedBytesMax) {
        forget_unnamed(session);
        own_unnamed(session);
        return pass(session, piece, Request::Parse);
    }
    if (!piece.is_complete()) return Step::NeedWhole;
    const auto parse = view_parse(piece.body());
    if (!parse) return refuse(session, Error("08P01", "invalid Parse message"));
    PoolCounters& counters = ctx_.counters(*session.pool);
    counters.client_parses.add(1);
    counters.server_parses.add(1);
    ClientStatements& mine = statements_of(session);
    const Statement* before = mine.find("");
    if (before != nullptr && before->text_and_types == as_text(parse->text_and_types)) {
        ++session.unnamed_version;  // the same text again and again, as drivers do
    } else {
        forget_unnamed(session);
        mine.insert("", ctx_.statements.acquire(parse->text_and_types, false));
    }
    own_unnamed(session);
    if (parse_deallocate(session, *parse)) return Step::Used;
    return pass(session, piece, Request::Parse);
}

// DEALLOCATE in the extended protocol, as psycopg sends it: the server is given a statement to
// deallocate, so that it answers as the client expects, however the transaction stands. The
// client's name goes when that is run. False when `parse` is something else.
bool Relay::parse_deallocate(ClientSession& session, const ParseView& parse) {
    ClientStatements& mine = statements_of(session);
    mine.note_deallocate({}, 0);
    if (mine.size() == 0) return false;
    const std::optional<std::string> name = deallocated_name(parse.sql);
    if (!name || mine.find(*name) == nullptr) return false;
    ProtocolTracker& tracker = session.server->tracker;
    mine.note_deallocate(*name, tracker.batch());
    scratch_.clear();
    write_close_statement(scratch_, "weir_stand_in");  // maybe there is one that was not run
    tracker.sent(Request::Close, Origin::Proxy);
    write_parse(scratch_, "weir_stand_in", as_bytes(std::string_view("\0\0\0", 3)));
    tracker.sent(Request::Parse, Origin::Proxy);
    write_parse(scratch_, "", as_bytes(std::string_view("DEALLOCATE weir_stand_in\0\0\0", 27)));
    tracker.sent(Request::Parse, Origin::Client);
    ctx_.to_server.append_copy(scratch_);
    return true;
}

Relay::Step Relay::on_unnamed(ClientSession& session, const Piece& piece, Request request) {
    const Step step = ensure_unnamed(session);
    if (step == Step::Used && request == Request::Bind && session.statements != nullptr) {
        if (const Statement* mine = session.statements->find(""); mine != nullptr)
            QueryRecorder::on_known_statement(*session.server, mine->text_and_types);
    }
    return step == Step::Used ? pass(session, piece, request) : step;
}

// The unnamed statement on the server is to be the one that this client parsed last, whoever used
// it since. Whether the Parse of an earlier batch was skipped must be known first: what would be
// run may be something else.
Relay::Step Relay::ensure_unnamed(ClientSession& session) {
    ServerConnection& server = *session.server;
    const Statement* mine = session.statements == nullptr ? nullptr : session.statements->find("");
    if (mine != nullptr) note_effects(server, mine->effects);
    if (server.unnamed_of == session.client_id() &&
        server.unnamed_version == session.unnamed_version) {
        const ProtocolTracker& tracker = server.tracker;
        const bool is_undecided = server.unnamed_batch != tracker.batch() &&
                                  server.unnamed_batch >= tracker.answering_batch();
        return is_undecided ? wait_for_earlier(session) : Step::Used;
    }
    own_unnamed(session);
    scratch_.clear();
    if (mine != nullptr) {
        ctx_.leaks->on_query(server, mine->text_and_types);
        write_parse(scratch_, "", as_bytes(mine->text_and_types));
        server.tracker.sent(Request::Parse, Origin::Proxy);
    } else {
        write_close_statement(scratch_, "");  // it has none: the server is to say so
        server.tracker.sent(Request::Close, Origin::Proxy);
    }
    ctx_.to_server.append_copy(scratch_);
    return Step::Used;
}

void Relay::own_unnamed(ClientSession& session) {
    session.server->unnamed_of = session.client_id();
    session.server->unnamed_version = session.unnamed_version;
    session.server->unnamed_batch = session.server->tracker.batch();
}

void Relay::forget_unnamed(ClientSession& session) {
    ++session.unnamed_version;
    if (session.statements != nullptr) session.statements->forget_unnamed();
}

// A simple query drops the unnamed statement, and may do more.
void Relay::note_query(ClientSession& session, const Piece& piece) {
    ServerConnection& server = *session.server;
    forget_unnamed(session);
    server.unnamed_of = {};
    constexpr Effects kAny{true, true};  // of a text that is not here as a whole
    const auto query = piece.is_complete() ? view_query(piece.body()) : std::nullopt;
    note_effects(server, query ? effects_of(query->sql) : kAny);
}

}  // namespace weir
