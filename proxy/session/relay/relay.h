// Relay: moves bytes between a linked client and server. The bytes of a plain query go out straight
// from the receive buffer with one send; only what must be rewritten (names of prepared statements)
// is made anew, and leaves in the same send. From client to server: relay.cpp, with prepared
// statements in relay_statements.cpp and relay_unnamed.cpp, rate limits in relay_limits.cpp; back:
// relay_answers.cpp. Owner: Worker. Thread: the worker's.
#pragma once

#include <optional>

#include "protocol/message/backend.h"
#include "protocol/message/frontend.h"
#include "proxy/session/context.h"

namespace weir {

class Relay {
  public:
    explicit Relay(WorkerContext& context) : ctx_(context) {}

    // Uses input of a client that is Idle or Active; gives how many bytes were used. The rest must
    // be held. Asks for a server when one is needed. The session may have been closed afterwards.
    size_t from_client(ClientSession& session, ByteView input);

    // Uses bytes of a server that is past its login. False = the server has been closed.
    bool from_server(ServerConnection& server, ByteView input);

    // Answers the message that a waiting client sent with `error`, and drops that message: one
    // simple query, or an extended batch up to its Sync. The session goes on.
    void reject_request(ClientSession& session, const Error& error);

    // server_fast_close: a pool was recycled; those of its connections that can be, are closed.
    void close_obsolete();

  private:
    enum class Step : uint8_t {
        Used,
        NeedMore,   // the beginning of the message is not enough to go by
        NeedWhole,  // all of it is needed
        Stopped,    // it has to wait, or the session has ended
    };
    class Undo;

    std::optional<Step> begin(ClientSession& session, const Piece& piece, ByteView input);
    Step on_message(ClientSession& session, const Piece& piece, ByteView input);
    Step on_parse(ClientSession& session, const Piece& piece);
    Step on_bind(ClientSession& session, const Piece& piece);
    Step on_target(ClientSession& session, const Piece& piece);
    Step pass(ClientSession& session, const Piece& piece, Request request);
    Step block(ClientSession& session, uint32_t pending);
    Step wait_for_earlier(ClientSession& session);
    Step wait_for_all(ClientSession& session);
    void resume(const ServerConnection& server);
    Step discard(ClientSession& session, const Piece& piece);
    // Before a session gets a server; nothing: it may. `input` begins with `piece`.
    std::optional<Step> ask_limits(ClientSession& session, const Piece& piece, ByteView input);
    void drop_request(ClientSession& session, const Piece& first, const Error& error,
                      std::string& answer);
    static void count_bytes(ClientSession& session, size_t bytes) {
        if (session.limits != nullptr) session.limits->moved(bytes);
    }
    Step refuse(ClientSession& session, const Error& error);
    size_t to_console(ClientSession& session, ByteView input);

    [[nodiscard]] bool rewrites(const ClientSession& session) const;
    ClientStatements& statements_of(ClientSession& session);
    static void note_query(ClientSession& session, const Piece& piece);
    Step on_query(ClientSession& session, const Piece& piece);
    Step on_execute(ClientSession& session, const Piece& piece);
    std::optional<Step> deallocate(ClientSession& session, const Piece& piece);
    bool parse_deallocate(ClientSession& session, const ParseView& parse);
    Step on_parse_unnamed(ClientSession& session, const Piece& piece);
    Step on_unnamed(ClientSession& session, const Piece& piece, Request request);
    Step ensure_unnamed(ClientSession& session);
    static void own_unnamed(ClientSession& session);
    static void forget_unnamed(ClientSession& session);
    static void note_effects(ServerConnection& server, Effects effects);
    [[nodiscard]] static bool is_forgetting(ServerConnection& server);
    [[nodiscard]] static bool is_setting(ServerConnection& server);
    Step prepare_named(ClientSession& session, std::string_view name, const Statement*& out);
    [[nodiscard]] bool is_noted(const ServerConnection& server) const;
    void note_parse(ClientSession& session, const Piece& piece);
    void note_bind(ClientSession& session, const Piece& piece);
    void count_prepared(const ClientSession& session, bool is_there);
    Statement& statement_of(ServerConnection& server, ByteView text_and_types);
    void send_parse(ClientSession& session, const Statement& statement, Origin origin);
    // statement_error = keep: the server is made to refuse what concerns the statement `name`, and
    // its answer is put into the words that the client expects.
    Step let_refuse(ClientSession& session, std::string_view name, char why);
    bool put_refusal(ServerConnection& server, const ErrorView& error);
    [[nodiscard]] bool make_room(ServerConnection& server);
    void close_statement(ServerConnection& server, ServerStatements::Handle handle);
    static void note_schema_change(ServerConnection& server);

    [[nodiscard]] static bool is_idle_message(FrontendTag tag);
    [[nodiscard]] static bool is_over(const ServerConnection& server);
    [[nodiscard]] bool closes_fast(const ServerConnection& server) const;
    static bool must_be_whole(const ServerConnection& server, const Piece& piece);
    bool on_server_message(ServerConnection& server, const Piece& piece);
    void on_error(ServerConnection& server, const Piece& piece);
    void on_answered(ServerConnection& server, const PendingReply& head, BackendTag tag);
    void on_command_complete(ServerConnection& server, std::string_view body);
    void on_parameter_status(ServerConnection& server, const Piece& piece);
    bool on_ready(ServerConnection& server);
    void emit_faked(ServerConnection& server);
    void deliver(ServerConnection& server);
    bool give_up(ServerConnection& server, ByteView unused, std::string_view reason);
    bool settle(ServerConnection& server, const ServerOwner& owner);

    // Requests in flight of one client before we stop reading it. Far above what fits in a server's
    // output buffer, so a batch without Sync cannot wait for us while we wait for it.
    static constexpr uint32_t kPipelineDepthMax = 65536;
    // A longer first message of a transaction is passed on as it comes.
    static constexpr size_t kHeldMessageBytesMax = 64 * 1024;
    // Of the answer to auth_query: more than any secret.
    static constexpr uint32_t kLookupMessageBytesMax = 96 * 1024;
    // What `scratch_` may keep when it is not in use.
    static constexpr size_t kScratchBytesMax = 64 * 1024;

    WorkerContext& ctx_;
    std::string scratch_;         // a message being made; keeps some memory
    std::string settings_;        // of the server at hand, while a statement is looked for
    bool is_flush_seen_ = false;  // in the input at hand
    bool is_ready_seen_ = false;  // in the input at hand
    size_t answered_bytes_ = 0;   // of it, since the last ReadyForQuery
};

}  // namespace weir
