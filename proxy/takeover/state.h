// What one process hands over to the next (weir -R): every client session, server connection and
// cancel request as plain records, which refer to each other by their place in the lists. No record
// is of a class of its own: they are what archive.h writes down, and the meaning of a field is that
// of the member with the same name (ClientSession, ServerConnection, CancelConnection). Descriptors
// travel beside the records.
//
// Instants are those of the machine's monotonic clock, which both processes share.
// Thread: any (values).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "protocol/auth/secret.h"
#include "protocol/base/clock.h"
#include "protocol/message/cancel_key.h"
#include "protocol/message/frame.h"
#include "protocol/message/startup.h"
#include "protocol/message/tracker.h"
#include "proxy/prepared/server_statements.h"
#include "proxy/session/login/login_state.h"

namespace weir {

// A place in one of the lists below, plus one; 0 = none.
using HandedRef = uint32_t;

// A listening socket; it knows its own address.
struct HandedListener {
    int fd = -1;
};

// A database or the whole process is paused, a database disabled.
struct HandedDatabase {
    std::string name;
    bool is_paused = false;
    bool is_disabled = false;
};

struct HandedProcess {
    uint64_t last_id = 0;
    std::string mock_secret;
    bool is_paused = false;  // by PAUSE without a name
    std::vector<HandedDatabase> databases;
    uint64_t pid = 0;
    uint32_t workers = 0;
    std::string notify_socket;  // of the service manager; empty = none
    Duration watchdog{0};
    bool hears_visitors = false;  // see HandoverTag::Visitor
};

// The other end of the conversation with a process that has been taken over from earlier and still
// serves clients.
struct HandedLink {
    int fd = -1;
    bool hears_visitors = false;
};

struct HandedWelcome {
    std::vector<NamedValue> parameters;
};

struct HandedKeys {
    std::string client_key, server_key, salt;
    uint32_t iterations = 0;
};

// One (database, user). `entry` is what its servers were opened by: another one in the new
// configuration means that they are replaced when they come back.
struct HandedGroup {
    std::string database, user;
    std::string entry;
    std::string secret;
    std::optional<HandedKeys> scram_keys;
    std::optional<HandedKeys> derived_keys;
    std::vector<HandedRef> welcomes;  // oldest first
};

// A statement's text and parameter types, and the settings that these are read under (see
// prepared/statement.h), once however many clients have it.
struct HandedStatement {
    std::string text_and_types;
    std::string settings;
};

enum class HandedLedger : uint8_t { Leased, Idle };

// ServerPhase, of those that can be handed over.
enum class HandedServerPhase : uint8_t {
    Ready,
    Relaying,
    Preparing,
    Checking,
    Cleaning,
    BeingCancelled,
    Closing,
};

struct HandedServer {
    int fd = -1;
    uint32_t worker = 0;
    HandedRef group = 0;
    std::string backend;  // address, of a routed group
    HandedLedger ledger = HandedLedger::Leased;
    HandedServerPhase phase = HandedServerPhase::Ready;
    bool is_old = false;  // to be replaced when it comes back
    bool reads = false, is_reset_needed = false, is_reset_sent = false, is_cancel_sent = false;
    bool is_copy_fail_sent = false, is_error_forwarded = false, is_own_query_failed = false;
    bool is_stream_forwarded = false, is_stream_over = false, has_said_why = false;
    bool is_hot_standby = false, is_known_writable = false, is_leaving = false, may_forget = false;
    bool has_changed_schema = false, may_set = false;
    FrameParser::Position parser;
    ProtocolTracker::State tracker;
    std::string held, outbox;
    ServerStatements::State statements;
    HandedRef unnamed_of = 0;  // session
    uint64_t unnamed_version = 0, unnamed_batch = 0;
    std::vector<NamedValue> parameters;
    HandedRef welcome = 0;
    CancelKey backend_key;
    Replication replication = Replication::None;
    HandedRef dedicated_to = 0;          // session
    std::string address, local_address;  // sockaddr
    std::string host;
    uint16_t port = 0;
    uint64_t id = 0;
    Instant connected_at, requested_at, idle_since, clean_by;
    Duration lifetime{0};
};

struct HandedName {
    std::string name;
    HandedRef statement = 0;
};
struct HandedChange {
    std::string name;
    uint64_t batch = 0;
    HandedRef before = 0;  // statement
    bool is_parse = false;
};

enum class HandedPhase : uint8_t {
    Startup,        // has said nothing yet
    Refused,        // its password was wrong; the answer is held back
    Authenticated,  // has proven who it is, and is not in a pool yet
    Live,           // logged in
    Console,
    CancelRequest,
    Closing,
    Named,  // has said who it is, and nothing has been asked of it yet
};

struct HandedSession {
    int fd = -1;
    uint32_t worker = 0;
    HandedPhase phase = HandedPhase::Startup;
    bool reads = false, is_depth_blocked = false, is_discarding_body = false;
    bool is_discarding_to_sync = false, is_admin = false, is_read_paused = false, is_unix = false;
    bool is_write = false, holds_client_units = false;
    bool is_waiting = false;  // for a server
    PoolMode pool_mode = PoolMode::Session;
    TargetSessionAttrs wanted = TargetSessionAttrs::Any;
    uint32_t reason = 0;
    CancelKey cancel_key;  // as the client was told
    bool has_long_key = false;
    uint32_t peer_id = 0;
    Replication replication = Replication::None;
    uint32_t resume_at_pending = 0, whole_bytes = 0;
    uint64_t unnamed_version = 0;
    FrameParser::Position parser;
    std::string held, outbox;
    HandedRef server = 0;
    HandedRef group = 0;
    std::optional<LoginState> login;  // while it logs in
    HandedRef unnamed = 0;            // statement
    std::vector<HandedName> named;
    std::vector<HandedChange> unconfirmed;
    std::vector<NamedValue> parameters;
    HandedRef welcome = 0;
    std::string database, user;
    std::string peer;  // PeerAddress
    uint64_t id = 0;
    uint64_t required_lsn = 0;
    Instant connected_at, last_write_at, requested_at, transaction_from, query_from, quiet_since;
    Instant logged_in_at;
    uint32_t auth_method = 0;  // plus one; 0 = none
    uint64_t transactions = 0, queries = 0, bytes_received = 0, bytes_sent = 0;
};

struct HandedCancel {
    int fd = -1;
    HandedRef server = 0;
    HandedRef requester = 0;  // session
    bool is_sent = false;
    std::string request;
};

struct HandedWorld {
    HandedProcess process;
    std::vector<HandedListener> listeners;
    std::vector<HandedWelcome> welcomes;
    std::vector<HandedGroup> groups;
    std::vector<HandedStatement> statements;
    std::vector<HandedServer> servers;
    std::vector<HandedSession> sessions;
    std::vector<HandedCancel> cancels;
};

}  // namespace weir
