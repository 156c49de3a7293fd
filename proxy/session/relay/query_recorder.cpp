#include "proxy/session/relay/query_recorder.h"

#include <algorithm>
#include <memory>

#include "protocol/base/bytes.h"
#include "proxy/insight/insight.h"
#include "proxy/routing/read_only_proof.h"

namespace weir {

QueryRecorder::QueryRecorder(WorkerContext& context) : ctx_(context), sampler_(random_seed()) {
    const auto index_of = [this](std::string_view name) {
        return static_cast<size_t>(ctx_.shared.names.index_of(name));
    };
    application_name_ = index_of("application_name");
    client_encoding_ = index_of("client_encoding");
    standard_strings_ = index_of("standard_conforming_strings");
    configure();
}

void QueryRecorder::configure() {
    const GlobalConfig& global = ctx_.config->global;
    is_on_ = global.query_insight && ctx_.shared.insight != nullptr;
    slow_after_ = global.slow_query_time;
    sampler_.set_budget(static_cast<uint32_t>(global.query_samples_max));
    // Those that are leased for long; the others follow when they are leased.
    for (ServerConnection* server = ctx_.owned.front(); server != nullptr;
         server = ctx_.owned.next(*server)) {
        if (server->client == nullptr) continue;
        if (!is_on_) server->queries.reset();
        if (is_on_ && server->queries == nullptr) on_checkout(*server, Duration(0));
    }
}

void QueryRecorder::on_checkout(ServerConnection& server, Duration waited) {
    if (!is_on_) return server.queries.reset();
    if (server.queries == nullptr) server.queries = std::make_unique<QueryTrace>();
    server.queries->begin(static_cast<uint64_t>(std::max<int64_t>(waited.count(), 0)));
}

void QueryRecorder::define(QueryTrace& trace, std::string_view name, std::string_view text) {
    trace.note(text);
    const std::string_view noted = trace.open_text();
    if (noted.empty()) return;
    const uint64_t key = siphash(ctx_.shared.insight->key(), as_bytes(noted));
    trace.open().key = key;
    trace.open().defines = true;
    trace.define(name, key);
}

void QueryRecorder::refer(QueryTrace& trace, std::string_view name) const {
    const uint64_t key = trace.find(name);
    // Parsed in the same batch: the text is here.
    if (key != 0 && trace.open().key == key) return;
    trace.note_key(key);
}

void QueryRecorder::on_error(ServerConnection& server, std::string_view sqlstate) {
    if (server.queries == nullptr || sqlstate.size() != 5) return;
    // The first one is why; others may follow from it.
    if (server.queries->sqlstate[0] != 0) return;
    std::copy(sqlstate.begin(), sqlstate.end(), server.queries->sqlstate.begin());
}

uint64_t QueryRecorder::rows_of(std::string_view tag) {
    while (!tag.empty() && tag.back() == '\0')
        tag.remove_suffix(1);
    uint64_t rows = 0, unit = 1;
    for (size_t at = tag.size(); at > 0; --at) {
        const char c = tag[at - 1];
        if (c == ' ') return unit > 1 ? rows : 0;
        if (c < '0' || c > '9' || unit > 1'000'000'000'000'000'000ULL) return 0;
        rows += static_cast<uint64_t>(c - '0') * unit;
        unit *= 10;
    }
    return 0;
}

void QueryRecorder::abandon(const ClientSession& session, ServerConnection& server) {
    // Those behind the oldest had not begun.
    finish(session, server, ctx_.now - session.query_from, SampleEnd::Abandoned);
    server.queries->begin(0);
}

void QueryRecorder::finish(const ClientSession& session, ServerConnection& server, Duration latency,
                           SampleEnd end) {
    QueryTrace& trace = *server.queries;
    const QueryTrace::Request request = trace.finish();
    const bool is_slow = slow_after_.count() > 0 && latency >= slow_after_;
    const bool is_failed = end != SampleEnd::Answered || trace.sqlstate[0] != 0;
    const bool is_remarkable = is_slow || is_failed || request.defines;
    if (const uint32_t weight = sampler_.weigh(is_remarkable, ctx_.now); weight > 0) {
        Sample sample;
        sample.weight = weight;
        sample.end = trace.sqlstate[0] != 0 ? SampleEnd::Failed : end;
        sample.is_slow = is_slow;
        sample.duration_us = static_cast<uint64_t>(std::max<int64_t>(latency.count(), 0));
        tell(session, server, request, sample);
    }
    trace.next(server.tracker.ready_owed());
}

void QueryRecorder::tell(const ClientSession& session, ServerConnection& server,
                         const QueryTrace::Request& request, Sample& sample) {
    const QueryTrace& trace = *server.queries;
    sample.ended_us = ctx_.now.us;
    sample.wait_us = trace.wait_us;
    sample.rows = trace.rows;
    sample.bytes_in = trace.bytes_in;
    sample.bytes_out = trace.bytes_out;
    sample.text_key = request.key;
    sample.client_id = session.id;
    sample.server_pid = server.backend_pid();
    sample.peer = session.peer;
    sample.sqlstate = trace.sqlstate;
    sample.kind = request.kind;
    sample.is_cut = request.is_cut;
    sample.is_opaque = !parses_alike(session.parameters.get(client_encoding_),
                                     session.parameters.get(standard_strings_));
    SampleRing& ring = ctx_.shared.insight->ring(ctx_.id);
    const bool is_told =
        ring.push(sample, {session.database, session.user,
                           session.parameters.get(application_name_), trace.text_of(request)});
    if (is_told) {
        ring.taken.add(1);
    } else {
        ring.dropped.add(1);
        sampler_.put_back(sample.weight);
    }
}

}  // namespace weir
