#include "proxy/session/client_session.h"

#include "proxy/session/login/client_login.h"

namespace weir {

ClientSession::ClientSession() {
    Deadline::kind = Deadline::Kind::Client;
}

ClientSession::~ClientSession() = default;

void ClientSession::reset() {
    WEIR_CHECK(server == nullptr && opening == nullptr);
    Waiter::client = {};
    Waiter::ticket = 0;
    Waiter::wants_dedicated = false;
    phase = ClientPhase::Free;
    reads = writes = false;
    is_discarding_body = is_discarding_to_sync = is_admin = is_read_paused = false;
    holds_client_units = is_unix = is_tls = is_depth_blocked = has_leak = false;
    is_leaving = is_suspended = is_wait_told = false;
    has_long_key = may_be_direct = false;
    replication = Replication::None;
    pool_mode = PoolMode::Session;
    fd = -1;
    cancel_secret = whole_bytes = 0;
    peer_id = 0;
    adopted_key.reset();
    resumes_wait = false;
    unnamed_version = 0;
    timeouts = {};
    parser = FrameParser(Direction::FromClient);
    held.clear();
    outbox.clear();
    group = nullptr;
    pool = nullptr;
    wanted = TargetSessionAttrs::Any;
    may_split = is_write = is_spilled = false;
    required_lsn = 0;
    last_write_at = {};
    reroutes = 0;
    reason = {};
    trial_taken_at = {};
    tls.reset();
    login.reset();
    statements.reset();
    descriptors.reset();
    limits.reset();
    parameters = {};
    welcome.reset();
    database.clear();
    user.clear();
    peer = {};
    id = 0;
    auth_method.reset();
    logged_in_at = {};
    tally = {};
    connected_at = requested_at = transaction_from = query_from = quiet_since = {};
}

}  // namespace weir
