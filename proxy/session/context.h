// WorkerContext: what the parts of one worker share. Each part (Clients, Leasing, Servers, Relay,
// Cancels, Throttle) has a reference to it and reaches the others through it. Owner: Worker.
// Thread: the worker's, except `exchange` and `pools`, which are any thread's.
#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "conf/config.h"
#include "protocol/base/random.h"
#include "protocol/base/siphash.h"
#include "protocol/base/slab.h"
#include "proxy/auth/password_checker.h"
#include "proxy/auth/secret_cache.h"
#include "proxy/auth/secret_flights.h"
#include "proxy/auth/secret_source.h"
#include "proxy/auth/verifier_cache.h"
#include "proxy/limits/auth_failures.h"
#include "proxy/limits/rate_limiter.h"
#include "proxy/net/held_sends.h"
#include "proxy/net/output.h"
#include "proxy/net/tls_contexts.h"
#include "proxy/pool/pool_set.h"
#include "proxy/runtime/deadline_queue.h"
#include "proxy/runtime/host_table.h"
#include "proxy/runtime/io.h"
#include "proxy/server/tls_sessions.h"
#include "proxy/session/cancel/adopted_keys.h"
#include "proxy/session/client_session.h"
#include "proxy/session/login/virtual_database.h"
#include "proxy/session/message.h"
#include "proxy/session/predecessor.h"
#include "proxy/session/successor.h"
#include "proxy/stats/worker_counters.h"

namespace weir {

class Clients;
class Leasing;
class Routing;
class Servers;
class Relay;
class Splitting;
class Cancels;
class PeerCancels;
class Draining;
class Throttle;
class LeakWatch;
class QueryRecorder;
class Insight;
class SecretLookups;
class Dedicated;

// Things that live as long as the process and that every worker uses.
struct Shared {
    PoolSet& pools;
    Exchange& exchange;
    HostTable& hosts;
    VirtualDatabase* console = nullptr;  // none in tests
    const ParameterNames& names;
    Clock& clock;
    std::atomic<uint64_t> last_id{0};           // of clients and servers, as SHOW prints them
    std::atomic<bool> is_shutting_down{false};  // only the console lets new clients in
    // ... but TCP connections that were accepted before the sockets closed are served.
    std::atomic<bool> serves_late_clients{false};
    std::atomic<int> logins{0};             // connections that have not logged in yet
    std::array<uint8_t, 32> mock_secret{};  // for the salts of users that do not exist
    SipKey cancel_secret{};                 // for the tails of cancel keys, see ClientKey
    VerifierCache verifiers = {};
    RateLimiter rates = {};
    AuthFailures auth_failures = {};
    SecretCache secret_cache{};
    SecretFlights secret_flights = {};
    AccessSink* access = nullptr;                 // null = nobody is told who comes and goes
    PasswordChecker* password_checker = nullptr;  // null = nobody checks ldap and pam
    TlsContextsHolder tls = {};
    TlsSessions tls_sessions = {};
    AdoptedKeys adopted_keys = {};
    Insight* insight = nullptr;                  // none in tests
    std::atomic<Successor*> successor{nullptr};  // none, but when another process has taken over
    std::atomic<Predecessor*> predecessor{nullptr};  // none, unless we have taken over
    // Sessions that are on their way from or to another process, and in no worker's hands.
    std::atomic<int> in_transit{0};
    // When each worker last looked for leaks; written by it, read by the Auditor.
    std::array<std::atomic<int64_t>, kMaxWorkers> looked_at_us{};
};

// To the EventLog.
void post_event(const struct WorkerContext& ctx, ProcessEvent event);

struct WorkerContext {
    WorkerContext(WorkerId worker, Shared& shared_state, Io& worker_io, ConfigPtr first_config);
    ~WorkerContext();

    const WorkerId id;
    WorkerId thread = id;  // that drives it, to be shown
    Shared& shared;
    Io& io;
    ConfigPtr config;
    TlsContextsPtr tls;  // never null; of the same configuration
    Instant now;         // read once per batch of events

    static constexpr size_t kInputBytes = 256 * 1024;
    std::unique_ptr<uint8_t[]> input = std::make_unique<uint8_t[]>(kInputBytes);
    Output to_server;
    Output to_client;
    HeldSends sends{io};
    SpareBytes spares;  // for what clients send while they wait
    DeadlineQueue deadlines;
    StatementCache statements;
    Slab<ClientSession> clients_slab;
    IntrusiveList<ServerConnection, OwnedHook> owned;  // opening or leased by this worker
    IntrusiveList<ClientSession, ReadyHook> ready;     // have held input that may go on
    std::vector<Grant> grants;          // for our own waiters, carried out after the current event
    std::vector<Grant> grants_running;  // its twin, swapped so that neither allocates
    // Connections on which something may be left that no event will tell of: looked at in the next
    // round, see come_back(). And its twin.
    std::vector<Watch> unread;
    std::vector<Watch> unread_running;
    std::vector<std::unique_ptr<ClientLogin>> retired_logins;  // until the end of the event
    size_t inbox_length = 0;           // messages in the batch that is carried out
    std::atomic<int> client_count{0};  // read by others to deal evenly
    WorkerCounters stats;              // read by others

    Clients* clients = nullptr;
    Leasing* leasing = nullptr;
    Routing* routing = nullptr;
    Servers* servers = nullptr;
    Relay* relay = nullptr;
    Splitting* splitting = nullptr;
    Cancels* cancels = nullptr;
    PeerCancels* peer_cancels = nullptr;
    Draining* draining = nullptr;
    Throttle* throttle = nullptr;
    LeakWatch* leaks = nullptr;
    QueryRecorder* recorder = nullptr;
    SecretLookups* lookups = nullptr;
    SecretSource* secrets = nullptr;  // null = users of auth_file only
    Dedicated* dedicated = nullptr;

    // How often one connection is read before the others get their turn (sbuf_loopcnt).
    [[nodiscard]] int reads_max() const {
        const int count = config->global.sbuf_loopcnt;
        return count > 0 ? count : std::numeric_limits<int>::max();
    }
    // Of a client, a server or a cancel request.
    template <typename T>
    [[nodiscard]] Channel channel(T& connection) const {
        return {io, connection.fd, connection.tls.get()};
    }
    // Of a client or a server. With TLS, a receive gives one record, and says nothing of the next.
    template <typename T>
    [[nodiscard]] static Interest interest(const T& connection) {
        return {connection.reads, connection.writes, connection.tls == nullptr};
    }
    // A connection on which something may be left gets an event in the next round.
    void come_back(Watch watch) {
        if (std::ranges::find(unread, watch.word, &Watch::word) == unread.end())
            unread.push_back(watch);
    }
    PoolCounters& counters(Pool& pool) const { return pool.counters()[id]; }
    // A server that `pool` has lent since its requested_at has done with its client.
    void note_hold_end(const ServerConnection& server) const {
        counters(*server.pool).histograms.get().hold.record(now - server.requested_at);
    }
};

}  // namespace weir
