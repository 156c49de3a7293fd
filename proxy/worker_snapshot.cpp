// The picture of one worker for SHOW: copies of what its sessions and connections are at.
#include "proxy/worker.h"

#include <time.h>

#include <algorithm>

#include "proxy/session/login/client_login.h"

namespace weir {

namespace {

const char* state_of(const ClientSession& session) {
    switch (session.phase) {
        case ClientPhase::Throttled:
        case ClientPhase::Waiting:
        case ClientPhase::LoginWait: return "waiting";
        case ClientPhase::CancelRequest: return "active_cancel_req";
        case ClientPhase::Active: return "active";
        default: return "idle";
    }
}

// Those of a client and of a server have the same names.
template <typename Connection>
SocketBuffers buffers_of(const Connection& connection) {
    return {connection.held.size(), connection.parser.body_left(), connection.outbox.size()};
}

void take_settings(SocketDetails& details, const ParameterNames& names,
                   const TrackedParameters& parameters) {
    const auto get = [&](std::string_view name) {
        return std::string(parameters.get(static_cast<size_t>(names.index_of(name))));
    };
    details.client_encoding = get("client_encoding");
    details.std_strings = get("standard_conforming_strings");
    details.datestyle = get("DateStyle");
    details.timezone = get("TimeZone");
}

SocketDetails details_of(const WorkerContext& context, const ClientSession& session) {
    SocketDetails details;
    details.descriptor = Descriptor::duplicate(session.fd);
    details.number = session.fd;
    details.link = session.server == nullptr ? 0 : session.server->fd;
    details.cancel_key = cancel_key_of(context, session).word();
    take_settings(details, context.shared.names, session.parameters);
    return details;
}

const char* state_of(const ServerConnection& server) {
    switch (server.phase) {
        case ServerPhase::Connecting:
        case ServerPhase::Securing:
        case ServerPhase::LoggingIn: return "new";
        case ServerPhase::Cleaning:
        case ServerPhase::Checking: return "tested";
        case ServerPhase::BeingCancelled: return "being_canceled";
        case ServerPhase::Ready: return "idle";
        default: return "active";
    }
}

// CPU time of the calling thread.
int64_t thread_cpu_us() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1000;
}

void describe_wait(ClientRow& row, const ClientSession& session) {
    switch (session.phase) {
        case ClientPhase::Waiting:
        case ClientPhase::LoginWait:
            row.waits_for = session.HeldHook::is_linked() ? WaitReason::Backend : WaitReason::Queue;
            if (session.HeldHook::is_linked()) row.wait_detail = to_string(session.wanted);
            break;
        case ClientPhase::Throttled: row.waits_for = WaitReason::RateLimit; break;
        case ClientPhase::AuthWait:
            row.waits_for = WaitReason::LoginAnswer;
            if (session.auth_method) row.wait_detail = access_method_name(*session.auth_method);
            break;
        case ClientPhase::Refused: row.waits_for = WaitReason::WrongPassword; break;
        default: break;
    }
}

// What a session keeps outside of itself, but for its buffers, statements and TLS.
uint64_t text_bytes(const ClientSession& session) {
    const auto of = [](const std::string& text) {
        return text.capacity() > 15 ? text.capacity() + 1 : 0;  // shorter ones are inside
    };
    return of(session.user) + of(session.database) + session.parameters.heap_bytes() +
           (session.limits == nullptr ? 0 : sizeof(SessionLimits)) +
           (session.login == nullptr ? 0 : sizeof(ClientLogin));
}

ClientRow row_of(const ClientSession& session, const ParameterNames& names) {
    ClientRow row;
    row.client = session.client_id();
    describe_wait(row, session);
    row.transaction_from = session.server == nullptr ? Instant{} : session.transaction_from;
    row.id = session.id;
    row.user = session.user;
    row.database = session.database;
    row.addr = session.peer.host();
    row.port = session.peer.port;
    row.application_name =
        session.parameters.get(static_cast<size_t>(names.index_of("application_name")));
    row.state = state_of(session);
    row.connected_at = session.connected_at;
    row.requested_at = session.requested_at;
    const bool waits = session.phase == ClientPhase::Waiting ||
                       session.phase == ClientPhase::LoginWait ||
                       session.phase == ClientPhase::Throttled;
    if (waits) row.waiting_since = session.requested_at;
    row.link = session.server == nullptr ? 0 : session.server->id;
    row.prepared_statements = session.statements == nullptr ? 0 : session.statements->size();
    row.replication = session.replication;
    if (session.tls != nullptr) row.tls = session.tls->description();
    row.is_console = session.phase == ClientPhase::Console;
    row.is_login = is_before_welcome(session.phase);
    if (session.pool != nullptr) row.pool_user = session.pool->key().user;
    row.buffers = buffers_of(session);
    return row;
}

}  // namespace

ServerRow make_server_row(const ServerConnection& server, const ParameterNames& names) {
    ServerRow row;
    row.id = server.id;
    row.user = server.pool->key().user;
    row.database = server.pool->key().database;
    row.addr = server.address.is_set() ? server.address.host() : server.host;
    row.local_addr = server.local_address.is_set() ? server.local_address.host() : "";
    // Those of a Unix socket are in the name of its file.
    const bool is_unix = server.address.is_set() && server.address.is_unix();
    row.port = is_unix ? server.port : server.address.port();
    row.local_port = is_unix ? server.port : server.local_address.port();
    row.application_name =
        server.parameters.get(static_cast<size_t>(names.index_of("application_name")));
    row.state = state_of(server);
    row.connected_at = server.connected_at;
    row.requested_at = server.requested_at;
    row.link = server.client == nullptr ? 0 : server.client->id;
    row.remote_pid = server.backend_pid();
    row.prepared_statements = server.statements.size();
    row.replication = server.replication;
    if (server.tls != nullptr) row.tls = server.tls->description();
    row.close_needed = server.pool->is_obsolete(server);
    row.pool = server.pool;
    row.is_resolving = server.phase == ServerPhase::Connecting && server.fd < 0;
    row.buffers = buffers_of(server);
    return row;
}

SocketDetails make_server_details(const ServerConnection& server, const ParameterNames& names) {
    SocketDetails details;
    if (server.fd >= 0) details.descriptor = Descriptor::duplicate(server.fd);
    details.number = server.fd;
    details.link = server.client == nullptr ? 0 : server.client->fd;
    details.cancel_key = server.backend_key.word();
    take_settings(details, names, server.parameters);
    return details;
}

WorkerSnapshot Worker::snapshot(bool with_details) {
    WorkerSnapshot out;
    out.thread = ctx_.thread;
    out.cpu_us = thread_cpu_us();
    out.inbox = ctx_.inbox_length;
    out.fixed_bytes = WorkerContext::kInputBytes;
    for (uint32_t slot = 0; slot < ctx_.clients_slab.capacity(); ++slot) {
        const ClientSession& session = *ctx_.clients_slab.at(slot);
        out.buffered_bytes += session.held.capacity() + session.outbox.capacity();
        if (session.tls != nullptr) ++out.tls_streams;
        if (session.phase == ClientPhase::Free || session.phase == ClientPhase::Closing) continue;
        out.text_bytes += text_bytes(session);
        ClientRow row = row_of(session, ctx_.shared.names);
        const Address local = ctx_.io.local_address(session.fd);
        row.local_addr = local.host();
        row.local_port = local.port();
        if (session.is_unix) {
            row.port = row.local_port = static_cast<uint16_t>(ctx_.config->global.listen_port);
            row.remote_pid = static_cast<uint32_t>(std::max(ctx_.io.peer_pid(session.fd), 0));
        }
        if (with_details) row.details = details_of(ctx_, session);
        out.clients.push_back(std::move(row));
    }
    for (ServerConnection* server = ctx_.owned.front(); server != nullptr;
         server = ctx_.owned.next(*server)) {
        out.servers.push_back(make_server_row(*server, ctx_.shared.names));
        if (with_details)
            out.servers.back().details = make_server_details(*server, ctx_.shared.names);
        out.buffered_bytes += server->held.capacity() + server->outbox.capacity();
    }
    out.statements = ctx_.statements.size();
    out.statement_bytes = ctx_.statements.bytes();
    out.client_slots = ctx_.clients_slab.capacity();
    out.client_slots_used = ctx_.clients_slab.in_use();
    out.cancels_open = cancels_.in_flight();
    out.peers = peer_cancels_.rows();
    out.leaks = leaks_.registry().reports();
    out.leak_totals = leaks_.registry().totals();
    return out;
}

// Only which connections are held here, to be compared with the ledgers.
WorkerSnapshot Worker::holdings() {
    WorkerSnapshot out;
    for (ServerConnection* server = ctx_.owned.front(); server != nullptr;
         server = ctx_.owned.next(*server)) {
        out.holdings.push_back(server);
    }
    return out;
}

}  // namespace weir
