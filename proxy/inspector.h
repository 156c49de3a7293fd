// Inspector: what the admin rooms may see and do. Implemented by the control thread; the console,
// and later the metrics, use nothing else of the traffic code. Thread: control, all of it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "conf/backend_edit.h"
#include "conf/config.h"
#include "health/health_report.h"
#include "health/registry.h"
#include "proxy/insight/query_stats.h"
#include "proxy/limits/auth_failures.h"
#include "proxy/limits/rate_limiter.h"
#include "proxy/pool/pool_set.h"
#include "proxy/runtime/host_table.h"
#include "proxy/session/message.h"
#include "proxy/stats/event_log.h"
#include "proxy/stats/worker_counters.h"

namespace weir {

enum class ShutdownMode : uint8_t { Now, WaitForServers, WaitForClients };

class Inspector {
  public:
    virtual ~Inspector() = default;

    // ---- seeing ----

    [[nodiscard]] virtual ConfigPtr config() const = 0;
    [[nodiscard]] virtual PoolSet& pools() = 0;
    [[nodiscard]] virtual RateRulesPtr rate_rules() = 0;
    [[nodiscard]] virtual AuthFailures& auth_failures() = 0;
    [[nodiscard]] virtual unsigned workers() const = 0;
    [[nodiscard]] virtual Instant now() = 0;
    [[nodiscard]] virtual int64_t wall_us(Instant at) = 0;
    [[nodiscard]] virtual const EventLog& events() const = 0;
    // Host names that were looked up, by name.
    [[nodiscard]] virtual std::vector<HostTable::Row> dns_hosts() const = 0;
    [[nodiscard]] virtual std::vector<HostTable::Zone> dns_zones() const = 0;
    // Asks every worker for its picture and calls `done` on this thread, with one snapshot per
    // worker. `with_details`: each connection with its SocketDetails.
    virtual void snapshot(bool with_details,
                          std::function<void(std::vector<WorkerSnapshot>)> done) = 0;
    // The same for how many there are of everything; cheap enough for every second.
    virtual void census(std::function<void(std::vector<WorkerCensus>)> done) = 0;
    // What each worker has counted, and how long its thread has run.
    struct WorkerView {
        const WorkerCounters* counters = nullptr;  // never null
        Duration cpu{0};
    };
    [[nodiscard]] virtual std::vector<WorkerView> worker_views() = 0;
    // When the process has begun to serve, and when it last read its files: then, or by a RELOAD.
    struct ConfigAge {
        Instant started_at;
        Instant loaded_at;
        bool has_loaded = true;  // else the last RELOAD was refused, at loaded_at
    };
    [[nodiscard]] virtual ConfigAge config_age() const = 0;
    // The sockets that clients are accepted from.
    struct ListeningSocket {
        std::shared_ptr<const Descriptor> descriptor;
        int number = -1;
        std::string addr;  // `unix` for a Unix socket
        uint16_t port = 0;
    };
    [[nodiscard]] virtual std::vector<ListeningSocket> listening_sockets() const = 0;
    // Asks the health thread what it knows of the backends of routed databases and calls `done` on
    // this thread, never before this returns.
    virtual void health(std::function<void(HealthSnapshot)> done) = 0;

    // What is known of queries: the `queries_max` with the longest total time, and the slow ones if
    // they are wanted; `done` as of health(). Nothing while query_insight is off.
    virtual void queries(size_t queries_max, bool with_slow,
                         std::function<void(InsightSnapshot)> done) = 0;

    // ---- doing ----

    // Reads the configuration again. Errors leave everything as it was; the message lists them.
    virtual Status reload() = 0;
    // The running configuration with one backend more or less, until the next reload; errors leave
    // everything as it was (see conf/backend_edit.h).
    virtual Status add_backend(const BackendAddition& wanted) = 0;
    virtual Status remove_backend(const std::string& name,
                                  const std::optional<std::string>& database) = 0;
    // New work of the database (all of them without a name) is queued from now on. Error when it is
    // unknown or paused already. is_quiet() tells when nothing is running any more.
    virtual Status pause(const std::optional<std::string>& database) = 0;
    [[nodiscard]] virtual bool is_quiet(const std::optional<std::string>& database) = 0;
    // Ends PAUSE, KILL and SUSPEND. Without a name also what KILL without a name has paused.
    virtual Status resume(const std::optional<std::string>& database) = 0;
    // Closes all clients and servers of the database (of all without a name) and leaves it paused.
    virtual Status kill(const std::optional<std::string>& database) = 0;
    // Closes the client with that id, or those last 31 bits of it that SHOW CLIENTS has; `done` as
    // of health(). Error: nobody has it.
    virtual void kill_client(uint64_t id, std::function<void(Status)> done) = 0;
    // Nobody logs in to the database any more; who is in may stay.
    virtual Status set_disabled(const std::string& database, bool is_disabled) = 0;
    // The connections to the servers of the database (of all without a name) are replaced: idle
    // ones now, others when they come back.
    virtual Status reconnect(const std::optional<std::string>& database) = 0;
    // How many connections are left that reconnect() or a RELOAD is to replace. Error: there is no
    // such database.
    virtual Result<size_t> outdated(const std::optional<std::string>& database) = 0;
    // Nothing more is read from clients and servers, and nobody is accepted, until resume(). What
    // has been read is passed on first; is_flushed() when that is done. Who is not that far after
    // suspend_timeout is closed. Error: something is paused or suspended.
    virtual Status suspend() = 0;
    [[nodiscard]] virtual bool is_suspended() const = 0;
    [[nodiscard]] virtual bool is_flushed() const = 0;
    // The running configuration with another value of an option, until the next reload; errors
    // leave everything as it was. An option that needs a restart is left alone.
    virtual Status set_option(const std::string& name, const std::string& value) = 0;
    virtual Status shutdown(ShutdownMode mode) = 0;
    // The process that speaks as this console client takes over everything; its connection is no
    // console's any more.
    virtual Status hand_over(ClientId client) = 0;
    // Orders about one backend, by its name or address; `done` as of health(). Errors: see
    // HealthRegistry.
    virtual void order(HealthRegistry::Order order, std::string backend,
                       std::function<void(Status)> done) = 0;
    // No weight = the configured one again.
    virtual void reweight(std::string backend, std::optional<double> weight,
                          std::function<void(Status)> done) = 0;
    // All that is known of queries is forgotten; `done` as of health().
    virtual void reset_queries(std::function<void(Status)> done) = 0;
    [[nodiscard]] virtual bool is_paused() const = 0;
    [[nodiscard]] virtual bool is_shutting_down() const = 0;
};

}  // namespace weir
