// The census of one worker: a walk over its sessions and connections.
#include <iterator>

#include "proxy/session/census.h"
#include "proxy/worker.h"

namespace weir {

namespace {

constexpr std::string_view kPinTexts[] = {
    "replication", "session", "failed_transaction", "transaction", "copy", "batch", "half_message",
};
static_assert(std::size(kPinTexts) == kPinReasons);

void count_client(WorkerCensus& census, const ClientSession& session) {
    switch (session.phase) {
        case ClientPhase::Free:
        case ClientPhase::Closing: return;
        case ClientPhase::Startup:
        case ClientPhase::Authenticating:
        case ClientPhase::AuthWait:
        case ClientPhase::Refused: ++census.logins; return;
        case ClientPhase::Console: ++census.consoles; return;
        case ClientPhase::CancelRequest: ++census.cancels; return;
        case ClientPhase::Idle: ++census.pools[session.group].clients_idle; return;
        case ClientPhase::Active: ++census.pools[session.group].clients_active; return;
        case ClientPhase::LoginWait:
        case ClientPhase::Waiting: ++census.pools[session.group].clients_waiting; return;
        case ClientPhase::Throttled: ++census.pools[session.group].clients_throttled; return;
    }
}

std::optional<PinReason> pin_of(const ServerConnection& server) {
    if (server.is_dedicated()) return PinReason::Replication;
    const ClientSession& session = *server.client;
    if (session.pool_mode == PoolMode::Session) return PinReason::Session;
    const ProtocolTracker& tracker = server.tracker;
    if (tracker.status() == TransactionStatus::Failed) return PinReason::FailedTransaction;
    if (tracker.status() == TransactionStatus::InTransaction) return PinReason::Transaction;
    if (tracker.copy_state() != CopyState::None) return PinReason::Copy;
    if (tracker.is_unsynced()) return PinReason::Batch;
    if (session.parser.is_mid_message()) return PinReason::HalfMessage;
    return std::nullopt;
}

void count_server(WorkerCensus& census, const ServerConnection& server) {
    ++census.servers;
    PoolCensus& pool = census.pools[&server.pool->group()];
    switch (server.phase) {
        case ServerPhase::Cleaning:
        case ServerPhase::Checking: ++pool.servers_tested; break;
        case ServerPhase::BeingCancelled: ++pool.servers_being_cancelled; break;
        default: break;
    }
    if (server.client == nullptr) return;
    if (const auto reason = pin_of(server)) ++pool.pins[static_cast<size_t>(*reason)];
}

}  // namespace

std::string_view to_text(PinReason reason) {
    return kPinTexts[static_cast<size_t>(reason)];
}

void PoolCensus::add(const PoolCensus& more) {
    clients_idle += more.clients_idle;
    clients_active += more.clients_active;
    clients_waiting += more.clients_waiting;
    clients_throttled += more.clients_throttled;
    servers_tested += more.servers_tested;
    servers_being_cancelled += more.servers_being_cancelled;
    for (size_t i = 0; i < pins.size(); ++i)
        pins[i] += more.pins[i];
}

WorkerSnapshot Worker::census(Instant asked_at) {
    WorkerSnapshot answer;
    WorkerCensus& out = answer.census;
    out.lag = ctx_.now - asked_at;
    for (uint32_t slot = 0; slot < ctx_.clients_slab.capacity(); ++slot) {
        const ClientSession& session = *ctx_.clients_slab.at(slot);
        out.buffered_bytes += session.held.capacity() + session.outbox.capacity();
        count_client(out, session);
    }
    for (ServerConnection* server = ctx_.owned.front(); server != nullptr;
         server = ctx_.owned.next(*server)) {
        out.buffered_bytes += server->held.capacity() + server->outbox.capacity();
        count_server(out, *server);
    }
    out.client_slots = ctx_.clients_slab.capacity();
    out.statements = ctx_.statements.size();
    out.statement_bytes = ctx_.statements.bytes();
    out.leaks = leaks_.registry().totals();
    return answer;
}

}  // namespace weir
