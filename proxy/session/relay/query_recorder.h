// QueryRecorder: notes what a worker's clients ask and what comes of it, and tells a sample of it
// to the insight thread when a query has ended (proxy/insight: what a query is, what is told of it,
// which ones). Off, a query costs the test of a pointer; on, the copy of its first bytes.
// Owner: Worker. Thread: the worker's.
#pragma once

#include <string_view>

#include "proxy/insight/query_trace.h"
#include "proxy/insight/sampler.h"
#include "proxy/session/context.h"

namespace weir {

class QueryRecorder {
  public:
    explicit QueryRecorder(WorkerContext& context);

    // The configuration is new.
    void configure();

    // ---- what happens to a connection that is leased; `server.queries` is null while it is off

    void on_checkout(ServerConnection& server, Duration waited);

    // A statement of the request that is being sent; see QueryTrace::note.
    static void on_statement(ServerConnection& server, std::string_view text) {
        if (server.queries != nullptr) server.queries->note(text);
    }
    // The same, of a batch that has not said yet which statement it is about.
    static void on_known_statement(ServerConnection& server, std::string_view text) {
        if (server.queries != nullptr && !server.queries->has_statement())
            server.queries->note(text);
    }
    // Where names of statements are passed on as the client sends them.
    void on_parse(ServerConnection& server, std::string_view name, std::string_view text) {
        if (server.queries != nullptr) define(*server.queries, name, text);
    }
    void on_bind(ServerConnection& server, std::string_view name) {
        if (server.queries != nullptr) refer(*server.queries, name);
    }
    static void on_execute(ServerConnection& server) {
        if (server.queries != nullptr) server.queries->open().executes = true;
    }
    // All of a request has been sent that ends with ReadyForQuery.
    static void on_sent(ServerConnection& server, SampleKind kind) {
        if (server.queries == nullptr) return;
        server.queries->open().kind = kind;
        server.queries->close();
    }
    static void on_bytes_in(ServerConnection& server, size_t bytes) {
        if (server.queries != nullptr) server.queries->bytes_in += bytes;
    }
    static void on_bytes_out(ServerConnection& server, size_t bytes) {
        if (server.queries != nullptr) server.queries->bytes_out += bytes;
    }
    // CommandComplete, as it is.
    static void on_complete(ServerConnection& server, std::string_view tag) {
        if (server.queries != nullptr) server.queries->rows += rows_of(tag);
    }
    static void on_error(ServerConnection& server, std::string_view sqlstate);
    // The oldest request has its ReadyForQuery.
    void on_ready(const ClientSession& session, ServerConnection& server, Duration latency) {
        if (server.queries != nullptr) finish(session, server, latency, SampleEnd::Answered);
    }
    // The client parts with a server that owes it an answer, or the server with its client.
    void on_abandoned(const ClientSession& session, ServerConnection& server) {
        const bool is_asked =
            server.phase == ServerPhase::Relaying && server.tracker.ready_owed() > 0;
        if (server.queries != nullptr && is_asked) abandon(session, server);
    }

    // How many rows `SELECT 5`, `INSERT 0 5` and the like tell of; 0 of others.
    static uint64_t rows_of(std::string_view tag);

  private:
    void define(QueryTrace& trace, std::string_view name, std::string_view text);
    void refer(QueryTrace& trace, std::string_view name) const;
    void abandon(const ClientSession& session, ServerConnection& server);
    void finish(const ClientSession& session, ServerConnection& server, Duration latency,
                SampleEnd end);
    void tell(const ClientSession& session, ServerConnection& server,
              const QueryTrace::Request& request, Sample& sample);

    WorkerContext& ctx_;
    Sampler sampler_;
    Duration slow_after_{0};  // 0 = nothing is slow
    bool is_on_ = false;
    size_t application_name_ = 0, client_encoding_ = 0, standard_strings_ = 0;  // tracked
};

}  // namespace weir
