// ServerConnection: one connection to PostgreSQL, and the slot that it lives in. Slots are never
// freed, only given a new generation, so that a late event can always be checked.
//
// Ledger states (guarded by the pool's mutex; `owner` is written only under it):
//
//        Free --open--> Opening --logged in--> Leased <--acquire/release--> Idle
//          ^               |                      |                          |
//          +---failed------+-------closed---------+--(taken out of Idle first)+
//
// Outside the mutex a thread touches only a connection that it owns as Opening or Leased. An idle
// connection stays registered with the worker that released it (its home), which must take it out
// of Idle under the mutex before it reads from it; any other worker may take it over likewise.
//
// Phases (the owner's alone): Connecting -> (Securing) -> LoggingIn -> Ready <-> Relaying /
// Cleaning / Checking, BeingCancelled = clean, but a cancel request for it is in flight; Closing =
// see Farewell.
//
// Whatever is added here and outlives a batch of events is to be handed over to the process that
// takes over from ours, too: takeover/state.h, collect, adopt.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "protocol/base/byte_queue.h"
#include "protocol/base/clock.h"
#include "protocol/base/ids.h"
#include "protocol/base/intrusive_list.h"
#include "protocol/message/cancel_key.h"
#include "protocol/message/frame.h"
#include "protocol/message/startup.h"
#include "protocol/message/tracker.h"
#include "protocol/tls/tls_stream.h"
#include "proxy/insight/query_trace.h"
#include "proxy/leaks/lease_trace.h"
#include "proxy/prepared/server_statements.h"
#include "proxy/runtime/address.h"
#include "proxy/runtime/deadline_queue.h"
#include "proxy/server/parameters.h"
#include "proxy/server/tls_attempt.h"

namespace weir {

class Pool;
class ServerLogin;
struct ClientSession;
struct SecretLookup;

enum class LedgerState : uint8_t { Free, Opening, Idle, Leased };

// Who may touch a connection, in one word so that a worker can tell a stale event without a lock.
struct ServerOwner {
    LedgerState state = LedgerState::Free;
    WorkerId worker = kNoWorker;
    uint32_t generation = 0;

    [[nodiscard]] uint64_t pack() const {
        return uint64_t{generation} << 16 | uint64_t{worker} << 8 | static_cast<uint64_t>(state);
    }
    static ServerOwner unpack(uint64_t word) {
        return {static_cast<LedgerState>(word & 0xff), static_cast<WorkerId>(word >> 8 & 0xff),
                static_cast<uint32_t>(word >> 16)};
    }
    friend bool operator==(const ServerOwner&, const ServerOwner&) = default;
};

enum class ServerPhase : uint8_t {
    Connecting,      // waiting for connect(2)
    Securing,        // asks for TLS, or is in its handshake
    LoggingIn,       // start-up sent, not yet ready
    Ready,           // clean; idle, or on its way to a client
    Relaying,        // linked to a client
    Preparing,       // linked; SET of tracked parameters in flight, the client's bytes wait
    Checking,        // linked; server_check_query in flight
    Cleaning,        // no client: cancel, ROLLBACK, server_reset_query as needed
    BeingCancelled,  // clean, withheld until the cancel request has ended
    Asking,          // no client; runs auth_query
    Closing,         // told to go: its slot is free when its process has ended
};

struct IdleHook : ListHook {};
struct OwnedHook : ListHook {};  // in the list of connections that a worker owns

// alignas: Watch keeps flags in the low bits of its address.
struct alignas(64) ServerConnection : IdleHook, OwnedHook, Deadline {
    // ---- the ledger's (pool mutex) ----
    uint32_t slot = 0;
    uint32_t generation = 0;
    Pool* pool = nullptr;
    std::atomic<uint64_t> owner{0};
    Duration lifetime{0};  // server_lifetime, a little less by chance; drawn at its login
    Instant idle_since;    // never = it was not idle before its present lease
    // The pool's epoch when it was opened; older ones are recycled. Set to 0 by its owner, and by
    // the control thread under the mutex.
    std::atomic<uint64_t> epoch{0};
    ClientId reserved_for;  // it is opened for this session alone, see Pool
    uint64_t reserved_ticket = 0;

    // ---- the owner's ----
    ServerPhase phase = ServerPhase::Connecting;
    int fd = -1;
    WorkerId registered_with = kNoWorker;  // whose Io watches the socket
    bool reads = false;                    // interest as registered
    bool writes = false;
    bool is_reset_needed = false;  // a client used it in session mode (or *_always)
    bool is_reset_sent = false;
    bool is_cancel_sent = false;  // by our own clean-up
    bool is_copy_fail_sent = false;
    bool is_error_forwarded = false;   // a FATAL of the server's own: its client knows why
    bool is_new = false;               // its connect_query runs: not in the ledger as working yet
    bool is_own_query_failed = false;  // a query of ours (settings, check, reset) was refused
    bool is_stream_forwarded = false;  // the message whose body is passing belongs to the client
    bool is_stream_over = false;       // the server has ended the connection
    bool has_said_why = false;         // a FATAL of its own: its end is near, and no news
    bool is_hot_standby = false;       // as it says of itself: writes must not go there
    bool is_known_writable = false;    // it says that it is none (PostgreSQL 14 and later)
    bool is_suspended = false;         // not to be read from, see Standstill
    bool has_served = false;           // a client, whose settings may be left on it
    bool is_leaving = false;           // counted as leaving in the shared limits, see Pool
    uint16_t cancels_in_flight = 0;
    FrameParser parser{Direction::FromServer};
    ProtocolTracker tracker;
    ByteQueue held;    // a message that is not complete yet but must be
    ByteQueue outbox;  // not yet taken by the socket
    ClientSession* client = nullptr;
    std::unique_ptr<TlsStream> tls;       // null: plain
    std::unique_ptr<TlsAttempt> attempt;  // until it has logged in
    SecretLookup* lookup = nullptr;       // while Asking
    std::unique_ptr<ServerLogin> login;   // while logging in
    std::unique_ptr<Error> failure;       // why its login failed; while Closing
    ServerStatements statements;
    LeaseTrace trace;                     // of the present lease, for reports of leaks
    std::unique_ptr<QueryTrace> queries;  // null unless query_insight is on; outlives a lease
    // Its transaction has changed tables or types, which others see when it is over.
    bool has_changed_schema = false;
    // A DEALLOCATE ALL or DISCARD ALL of the client's may be on its way to be run: nothing that was
    // prepared can be counted on. Taken back when all has been answered outside a transaction.
    bool may_forget = false;
    // The same of a SET or RESET: `parameters` may not be what the next text is read under.
    bool may_set = false;
    ClientId unnamed_of;           // who parsed the unnamed statement that the server has
    uint64_t unnamed_version = 0;  // which of that client's it is
    uint64_t unnamed_batch = 0;    // the tracker's number of the batch that it was sent in
    TrackedParameters parameters;
    std::shared_ptr<const Welcome> welcome;
    CancelKey backend_key;
    Replication replication = Replication::None;
    Address address;
    Address local_address;
    std::string host;        // the entry of the host list it was opened for
    uint32_t host_turn = 0;  // which one that is
    uint16_t port = 0;
    uint64_t id = 0;  // as SHOW prints it
    Instant connected_at;
    Instant requested_at;  // last time it was given to a client
    Instant clean_by;      // Cleaning must end by then

    ServerConnection();
    ~ServerConnection();

    [[nodiscard]] ServerOwner load_owner() const {
        return ServerOwner::unpack(owner.load(std::memory_order_acquire));
    }
    [[nodiscard]] uint32_t backend_pid() const { return backend_key.process_id; }
    // Nothing of it is in anybody's hands: the next client may have it.
    [[nodiscard]] bool is_clean() const {
        const bool is_quiet = tls == nullptr || (!tls->has_unread() && !tls->wants_to_write());
        return tracker.is_releasable() && !parser.is_mid_message() && held.empty() &&
               outbox.empty() && is_quiet;
    }
    [[nodiscard]] bool is_dedicated() const { return !reserved_for.is_nobody(); }
    // Back to an unused slot; the caller has closed the socket.
    void reset();
};

}  // namespace weir
