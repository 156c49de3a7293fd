// What travels between threads: to a worker (WorkerMessage) and to the control thread
// (ControlMessage). Posting transfers ownership of what the message carries.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "protocol/base/ids.h"
#include "protocol/base/result.h"
#include "protocol/message/cancel_key.h"
#include "proxy/auth/login_question.h"
#include "proxy/leaks/leak_report.h"
#include "proxy/net/descriptor.h"
#include "proxy/pool/pool.h"
#include "proxy/runtime/address.h"
#include "proxy/runtime/io.h"
#include "proxy/session/census.h"
#include "proxy/stats/event_log.h"

namespace weir {

// Bytes between a socket and its other side, for SHOW SOCKETS.
struct SocketBuffers {
    uint64_t held = 0;     // received, and not used yet
    uint64_t message = 0;  // of the message that is passing, still to come
    uint64_t unsent = 0;   // not taken by the socket yet
    [[nodiscard]] bool is_empty() const { return held == 0 && message == 0 && unsent == 0; }
};

// What SHOW FDS tells of a connection.
struct SocketDetails {
    std::shared_ptr<const Descriptor> descriptor;  // null: there was no room for a duplicate
    int number = -1;                               // as this process calls it
    int link = 0;                                  // number of the linked connection, 0 = none
    uint64_t cancel_key = 0;
    std::string client_encoding, std_strings, datestyle, timezone;
};

// The last 31 bits of an id, as the columns of SHOW have it: ids go on counting.
constexpr uint64_t kShownIdBits = 0x7fffffff;

class ParkingLot;
struct HandedSession;

// What a client waits for, as its session knows it. Those of a queue are told more about by the
// pool, see Pool::obstacle().
enum class WaitReason : uint8_t {
    Nothing,
    Queue,          // a pool's
    Backend,        // none can serve it
    RateLimit,      // its transaction is delayed
    LoginAnswer,    // auth_query, PAM, LDAP, a system user
    WrongPassword,  // the answer is held back
};

// One client or server as SHOW CLIENTS and SHOW SERVERS print it; copies, so that no other thread's
// objects are touched. Instants are of the process's clock.
struct ClientRow {
    uint64_t id = 0;
    std::string user, database, addr, local_addr, application_name;
    const char* state = "idle";  // active, idle, waiting, active_cancel_req, waiting_cancel_req
    uint16_t port = 0, local_port = 0;
    Instant connected_at, requested_at;
    Instant waiting_since;  // never = not waiting
    uint64_t link = 0;      // id of the linked server, 0 = none
    uint64_t prepared_statements = 0;
    Replication replication = Replication::None;
    bool is_console = false;
    bool is_login = false;    // not counted as a client yet
    std::string pool_user;    // with database: its pool
    std::string tls;          // version, cipher and key exchange; empty = plain
    uint32_t remote_pid = 0;  // of the Unix socket's other end; 0 = not known
    SocketBuffers buffers;
    std::optional<SocketDetails> details;  // if asked for
    ClientId client;
    WaitReason waits_for = WaitReason::Nothing;
    std::string wait_detail;   // which rate limit, which method
    Instant transaction_from;  // got its server; never = it has none
};
struct ServerRow {
    uint64_t id = 0;
    std::string user, database, addr, local_addr, application_name;
    const char* state = "active";  // active, idle, used, tested, new, being_canceled
    std::string tls;
    uint16_t port = 0, local_port = 0;
    Instant connected_at, requested_at;
    uint64_t link = 0;  // id of the linked client, 0 = none
    uint32_t remote_pid = 0;
    uint64_t prepared_statements = 0;
    Replication replication = Replication::None;
    bool close_needed = false;
    SocketBuffers buffers;
    std::optional<SocketDetails> details;
    const void* pool = nullptr;  // only a name
    bool is_resolving = false;   // the addresses of its host are looked up
};

// The cancel requests that are passed on to one peer.
struct PeerRow {
    int id = 0;
    uint64_t requests_active = 0;   // have a connection
    uint64_t requests_waiting = 0;  // for one
    uint64_t connections_sent = 0;  // of those, the peer has the request
    uint64_t connections_opening = 0;
};

// A picture of one worker's sessions and connections, for SHOW.
struct WorkerSnapshot {
    std::vector<ClientRow> clients;
    std::vector<ServerRow> servers;
    uint64_t statements = 0;
    uint64_t statement_bytes = 0;
    uint64_t client_slots = 0;
    uint64_t client_slots_used = 0;
    uint64_t cancels_open = 0;
    std::vector<PeerRow> peers;   // each is only one worker's
    uint64_t buffered_bytes = 0;  // held and unsent bytes of its clients and servers
    std::vector<LeakReport> leaks;
    LeakTotals leak_totals;
    // The connections that it leases or opens; only names, not to be followed by another thread.
    // Of a brief snapshot this is all there is.
    std::vector<const ServerConnection*> holdings;
    WorkerCensus census;       // of one that asked for it alone
    unsigned thread = 0;       // that drives it
    int64_t cpu_us = 0;        // that this thread has used since it began
    uint64_t inbox = 0;        // messages that came together with this question
    uint64_t fixed_bytes = 0;  // what it keeps for reading, whoever is there
    uint64_t text_bytes = 0;   // names, settings and the like of its sessions
    uint64_t tls_streams = 0;  // connections with TLS
};

// Where a snapshot is awaited. Thread: any (it locks).
class SnapshotSink {
  public:
    virtual ~SnapshotSink() = default;
    virtual void deliver(WorkerId worker, WorkerSnapshot snapshot) = 0;
};

// Where each worker says how many: of what, the message says. Thread: any (it locks).
class TallySink {
  public:
    virtual ~TallySink() = default;
    virtual void deliver(uint64_t count) = 0;
};

struct WorkerMessage {
    enum class Kind : uint8_t {
        NewClient,      // fd, address, local: a connection dealt to this worker
        WaitFailed,     // grant.client, grant.ticket, text, sqlstate: it will not get one
        OpenServer,     // server: reserved for this worker, start to connect
        CloseServer,    // server, server_id: leased to this worker to be closed; text = why
        Cancel,         // cancel_key, requester: a cancel request for one of its sessions
        PeerCancel,     // number: the peer; cancel_key as it is to get it; requester
        CancelDone,     // requester: the connection that brought it may be closed; text = why
        CancelUnknown,  // cancel_key: nobody was given it; requester
        ConfigChanged,  // config
        LoginAnswer,    // answer: to what a login has asked
        Resolved,       // text: host name whose addresses are known now (or not)
        RoutesChanged,  // states or roles of backends are others now
        Snapshot,       // sink; flag = only the holdings; with_details
        Census,         // sink, asked_at
        LookForLeaks,   // it has not looked by itself for long
        ConsoleReply,   // client, text, flag = close after it; descriptors
        KillDatabase,   // text = database name, empty = all; sqlstate/text2 = why
        CloseObsolete,  // pools were recycled: close what is dedicated and of before
        KillClient,     // server_id: id of the client, text = why; tally: was it here
        Hold,           // SUSPEND; flag = time is over; tally: connections that still move
        Release,        // ends Hold
        CloseWaiting,   // close clients that wait for a server (shutdown); text2 = why
        SendAway,       // number: the part of the clients that is to leave by now (see Draining)
        StopAccepting,  // let listening sockets go; flag = only those of TCP
        Detach,         // client: a console client whose connection the control thread takes over
        Adopted,        // what another process has handed over may go on
        AdoptLate,      // late: a session that follows from there
        Park,           // parking: stand still there, at the end of the batch
        Move,           // number: the thread that is to drive the worker from then on
        Stop,           // close everything and leave the loop
    };
    Kind kind = Kind::Stop;
    bool flag = false;
    bool with_details = false;
    uint32_t number = 0;
    int fd = -1;
    std::string sqlstate;
    ClientId client;
    ClientId requester;
    CancelKey cancel_key;
    Grant grant;
    ServerConnection* server = nullptr;
    uint64_t server_id = 0;
    Instant asked_at;
    Address address;
    std::string text;
    std::string text2;
    ConfigPtr config;
    std::shared_ptr<SnapshotSink> sink;
    std::shared_ptr<LoginAnswer> answer;
    std::shared_ptr<TallySink> tally;
    std::vector<AttachedDescriptor> descriptors;
    std::shared_ptr<ParkingLot> parking;
    std::shared_ptr<HandedSession> late;
};

struct ControlMessage {
    enum class Kind : uint8_t {
        ConsoleInput,       // client, user, database, address, is_admin, text: whole messages
        ConsoleDisconnect,  // client
        ConsoleCancel,      // client
        Resolve,            // text: host name wanted
        FindSystemUser,     // question, system_user: the name of that uid is wanted
        Evict,              // pool: starved by a shared limit, see PoolSet::relieve
        Detached,           // fd: the connection of a client that was to be detached
        Event,              // event
    };
    Kind kind = Kind::Evict;
    int fd = -1;
    bool is_admin = false;
    ClientId client;
    LoginQuestion question;
    uint32_t system_user = 0;
    std::string user;
    std::string database;
    std::string address;  // of the client, of ConsoleInput
    std::string text;
    std::shared_ptr<const ProcessEvent> event;
};

// The way to the other threads. Thread: any.
class Exchange {
  public:
    virtual ~Exchange() = default;
    virtual void post(WorkerId to, WorkerMessage message) = 0;
    // To the worker of grant.client; apart from the other messages because it is frequent and
    // small.
    virtual void post_grant(const Grant& grant) = 0;
    virtual void post_control(ControlMessage message) = 0;
    [[nodiscard]] virtual unsigned workers() const = 0;
    // The Io of a worker, for taking over a connection registered there: Io::take(), remove().
    virtual Io& io(WorkerId worker) = 0;
};

}  // namespace weir
