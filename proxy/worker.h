// Worker: the sessions and server connections of one thread, as one machine that is fed events,
// messages and the time. It knows no thread and no epoll: production drives it by a WorkerThread,
// the simulator from virtual time. Owner: whoever drives it. Thread: the driver's, but for
// client_count().
#pragma once

#include "proxy/session/cancel/cancels.h"
#include "proxy/session/cancel/peer_cancels.h"
#include "proxy/session/clients.h"
#include "proxy/session/context.h"
#include "proxy/session/dedicated.h"
#include "proxy/session/draining.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/leasing.h"
#include "proxy/session/login/secret_lookups.h"
#include "proxy/session/relay/query_recorder.h"
#include "proxy/session/relay/relay.h"
#include "proxy/session/relay/splitting.h"
#include "proxy/session/routing.h"
#include "proxy/session/servers.h"
#include "proxy/session/standstill.h"
#include "proxy/session/throttle.h"

namespace weir {

class Worker {
  public:
    Worker(WorkerId id, Shared& shared, Io& io, ConfigPtr config);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // The time of the batch of events that comes next.
    void set_now(Instant now) { ctx_.now = now; }
    // `more_come`: other events of the same batch, before on_time().
    void on_event(const IoEvent& event, bool more_come);
    void on_message(WorkerMessage& message);
    // A server for one of our waiters, from another worker.
    void on_grant(const Grant& grant);
    // The batch is over: what waited for that goes out; and deadlines that have passed.
    void on_time();
    // Milliseconds until on_time() is worth calling; -1 = nothing is armed.
    [[nodiscard]] int sleep_ms() const {
        return ctx_.unread.empty() ? ctx_.deadlines.sleep_ms(ctx_.now) : 0;
    }

    [[nodiscard]] int client_count() const {
        return ctx_.client_count.load(std::memory_order_relaxed);
    }
    [[nodiscard]] bool is_stopped() const { return is_stopped_; }
    WorkerContext& context() { return ctx_; }

  private:
    // Grants to our own waiters and input that was held: what the last event has made possible.
    void run_pending();
    void read_unread();
    void release_sends();
    [[nodiscard]] WorkerSnapshot snapshot(bool with_details);
    [[nodiscard]] WorkerSnapshot holdings();
    [[nodiscard]] WorkerSnapshot census(Instant asked_at);
    void kill(const WorkerMessage& message);
    size_t kill_client(const WorkerMessage& message);
    void close_waiting(const std::string& reason);
    void detach(ClientId client);
    void stop();
    void go_on();
    void on_config(ConfigPtr config);

    WorkerContext ctx_;
    Clients clients_{ctx_};
    Leasing leasing_{ctx_};
    Routing routing_{ctx_};
    Servers servers_{ctx_};
    Relay relay_{ctx_};
    Splitting splitting_{ctx_};
    Cancels cancels_{ctx_};
    PeerCancels peer_cancels_{ctx_};
    Draining draining_{ctx_};
    Throttle throttle_{ctx_};
    LeakWatch leaks_{ctx_};
    QueryRecorder recorder_{ctx_};
    SecretLookups lookups_{ctx_};
    Dedicated dedicated_{ctx_};
    Standstill standstill_{ctx_};
    bool is_stopped_ = false;
};

// The row of a connection, by its owner (or under the pool's mutex when it is idle).
ServerRow make_server_row(const ServerConnection& server, const ParameterNames& names);
SocketDetails make_server_details(const ServerConnection& server, const ParameterNames& names);

}  // namespace weir
