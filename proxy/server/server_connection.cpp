#include "proxy/server/server_connection.h"

#include "proxy/server/server_login.h"

namespace weir {

ServerConnection::ServerConnection() {
    Deadline::kind = Deadline::Kind::Server;
}

ServerConnection::~ServerConnection() = default;

void ServerConnection::reset() {
    WEIR_CHECK(client == nullptr);
    phase = ServerPhase::Connecting;
    fd = -1;
    registered_with = kNoWorker;
    reads = writes = false;
    is_reset_needed = is_reset_sent = is_cancel_sent = is_copy_fail_sent = false;
    is_new = is_error_forwarded = is_own_query_failed = is_stream_forwarded = false;
    is_stream_over = is_leaving = is_suspended = has_served = false;
    lookup = nullptr;
    is_hot_standby = is_known_writable = has_said_why = false;
    idle_since = {};
    cancels_in_flight = 0;
    parser.reset();
    tracker.reset();
    held.clear();
    outbox.clear();
    tls.reset();
    attempt.reset();
    login.reset();
    failure.reset();
    statements.clear();
    trace = {};
    may_forget = may_set = has_changed_schema = false;
    unnamed_of = {};
    unnamed_version = unnamed_batch = 0;
    parameters = {};
    welcome.reset();
    backend_key = {};
    replication = Replication::None;
    reserved_for = {};
    reserved_ticket = 0;
    address = local_address = {};
    host.clear();
    port = 0;
    id = 0;
    connected_at = requested_at = clean_by = {};
}

}  // namespace weir
