// ClientSession: one client connection and its state. Data only; the files beside it move it along:
//   client_login  start-up packet, the database it wants
//   authentication  who it is; welcome  the end of the login
//   leasing       asks a pool for a server, gives it back
//   relay         moves bytes both ways
//   cancels       cancel requests
//   throttle      rate limits
//   dedicated     a server connection of its own, for replication
//
//   Startup -> Authenticating -> LoginWait -> Idle <-> Waiting -> Active -> (Idle)      -> Closing
//   -> Free
//      \-> CancelRequest            (Console instead of Idle for the console's databases)
//   Idle <-> Throttled, before it asks for a server
//   Authenticating <-> AuthWait, Authenticating -> Refused -> Closing
//
// A session never changes its worker after it has been dealt. Idle it owns no buffer.
// Whatever is added here and outlives a batch of events is to be handed over to the process that
// takes over from ours, too: takeover/state.h, fields, same_members, or collect and adopt.
// Owner: the worker's slab. Thread: the worker's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "protocol/base/byte_queue.h"
#include "protocol/base/clock.h"
#include "protocol/base/ids.h"
#include "protocol/message/frame.h"
#include "protocol/tls/tls_stream.h"
#include "proxy/limits/session_limits.h"
#include "proxy/net/descriptor.h"
#include "proxy/pool/pool_group.h"
#include "proxy/pool/waiter.h"
#include "proxy/prepared/client_statements.h"
#include "proxy/runtime/address.h"
#include "proxy/runtime/deadline_queue.h"
#include "proxy/server/server_connection.h"
#include "proxy/session/login/access_record.h"

namespace weir {

class ClientLogin;

enum class ClientPhase : uint8_t {
    Free,
    Startup,         // no start-up packet yet
    Authenticating,  // password exchange
    AuthWait,        // its secret, or the verdict on its password, is awaited
    Refused,         // its password was wrong; the answer is held back
    LoginWait,       // authenticated; the pool's first server must tell its parameters
    Idle,            // no server linked
    Throttled,       // a rate limit holds its transaction back
    Waiting,         // in a pool's queue, or held by Routing
    Active,          // a server is linked
    Console,         // speaks to the admin console
    CancelRequest,   // this connection only brought a cancel request
    Closing,         // told why, waits for its last bytes to be taken
};

// Not told yet that it is in.
inline bool is_before_welcome(ClientPhase phase) {
    return phase == ClientPhase::Startup || phase == ClientPhase::Authenticating ||
           phase == ClientPhase::AuthWait || phase == ClientPhase::Refused;
}

struct ReadyHook : ListHook {};
struct HeldHook : ListHook {};  // held by Routing: no backend can serve it

// The limits that apply to one session, from its database, its user and the defaults; 0 = off.
// Milliseconds.
struct SessionTimeouts {
    uint32_t query_wait_ms = 0;
    uint32_t query_ms = 0;
    uint32_t transaction_ms = 0;
    uint32_t idle_transaction_ms = 0;
    uint32_t client_idle_ms = 0;
};

struct alignas(64) ClientSession : Waiter, ReadyHook, HeldHook, Deadline {
    // ---- slab ----
    uint32_t slot = 0;
    uint32_t generation = 0;

    ClientPhase phase = ClientPhase::Free;
    bool reads = false;  // interest as registered
    bool writes = false;
    bool is_depth_blocked = false;    // too many requests in flight: its input waits
    bool is_discarding_body = false;  // the body that is passing belongs to a message we dropped
    bool is_discarding_to_sync =
        false;  // an extended batch was rejected; its Sync is still to come
    bool is_admin = false;
    bool is_read_paused = false;      // its server cannot take more
    bool is_suspended = false;        // not to be read from, see Standstill
    bool holds_client_units = false;  // counted in the limits of clients
    bool is_unix = false;
    bool is_tls = false;                    // what it sends is encrypted, see `tls`
    bool is_leaving = false;                // it is to go when it is idle: see Draining
    bool may_be_direct = false;             // its first byte may begin TLS
    bool is_wait_told = false;              // it knows that it is queued: query_wait_notify
    bool has_leak = false;                  // it is reported for its many statements
    bool has_long_key = false;              // it speaks protocol 3.2
    std::optional<AuthMethod> auth_method;  // by which it logs in; none: it is not that far
    Replication replication = Replication::None;
    bool resumes_wait = false;  // it waited in another process, since requested_at
    PoolMode pool_mode = PoolMode::Session;
    TargetSessionAttrs wanted = TargetSessionAttrs::Any;  // of the backend
    bool may_split = false;   // it wants no certain backend: see Splitting
    bool is_write = false;    // its transaction is not known to read only
    bool is_spilled = false;  // a read on the primary for want of a replica, see Routing
    uint8_t reroutes = 0;     // of the transaction that looks for its place
    RouteReason reason;       // why it wants what it wants, for SHOW ROUTES
    int fd = -1;
    uint32_t cancel_secret = 0;
    uint16_t peer_id = 0;            // ours, when it got its cancel key
    uint32_t resume_at_pending = 0;  // while is_depth_blocked
    uint32_t whole_bytes = 0;        // a message that must be whole needs this many bytes in `held`
    // Counts what happens to its unnamed statement: servers may still have an older one of it.
    uint64_t unnamed_version = 0;
    SessionTimeouts timeouts;
    FrameParser parser{Direction::FromClient};
    ByteQueue held;    // received, not used yet
    ByteQueue outbox;  // not yet taken by the socket
    ServerConnection* server = nullptr;
    ServerConnection* opening = nullptr;  // its dedicated one, until that is `server`
    PoolGroup* group = nullptr;           // null until it has logged in, and for the console
    Pool* pool = nullptr;  // of the group: that of the present transaction, or the last one
    std::unique_ptr<TlsStream> tls;          // null: plain
    std::unique_ptr<CancelKey> adopted_key;  // when another process gave it, see AdoptedKeys
    std::unique_ptr<ClientLogin> login;
    std::unique_ptr<ClientStatements> statements;
    std::unique_ptr<DescriptorQueue> descriptors;  // to go along with its outbox; nearly never
    std::unique_ptr<SessionLimits> limits;         // null: no rate limit concerns its transactions
    TrackedParameters parameters;
    std::shared_ptr<const Welcome> welcome;  // what it was told at login, or since
    std::string database;                    // as the client named it
    std::string user;
    PeerAddress peer;
    uint64_t id = 0;  // as SHOW prints it
    Instant connected_at;
    uint64_t required_lsn = 0;  // a replica has to have replayed it
    Instant last_write_at;      // end of its last transaction that may have written, when it splits
    Instant trial_taken_at;     // its transaction is a trial of the backend; never = it is none
    Instant requested_at;       // it asked for a server, or last sent a query
    Instant transaction_from;   // got its server
    Instant query_from;
    Instant logged_in_at;  // never = not yet
    SessionTally tally;
    Instant quiet_since;  // last ReadyForQuery inside a transaction, or release

    ClientSession();
    ~ClientSession();
    [[nodiscard]] ClientId client_id() const { return Waiter::client; }
    // Back to an unused slot; the caller has closed the socket and unlinked everything.
    void reset();
};

}  // namespace weir
