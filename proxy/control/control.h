// Control: the main thread. It puts its parts together (see proxy/README.md), takes the messages of
// workers and the ticks of time to them, and is the console's Inspector. It never touches a client,
// and a server connection only to pass it to the worker that is to close it. Owner: main. Thread:
// control (main), but for post() and call_later().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/auditor.h"
#include "proxy/control/context.h"
#include "proxy/control/database_orders.h"
#include "proxy/control/handing_over.h"
#include "proxy/control/inbox.h"
#include "proxy/control/life_cycle.h"
#include "proxy/control/listeners.h"
#include "proxy/control/name_service.h"
#include "proxy/control/pidfile.h"
#include "proxy/control/predecessors.h"
#include "proxy/control/reloading.h"
#include "proxy/control/snapshots.h"
#include "proxy/control/taken_over.h"
#include "proxy/control/worker_folding.h"
#include "proxy/inspector.h"

namespace weir {

class Control final : public Inspector, public ConsoleOutlet {
  public:
    // `is_quiet`: nothing is logged to standard error.
    Control(std::string config_file, ConfigPtr config, bool is_quiet);
    ~Control() override;

    // The console; before run().
    void set_console(VirtualDatabase& console);
    // Called at every tick, about ten times a second.
    void set_on_tick(std::function<void(Instant)> on_tick) { on_tick_ = std::move(on_tick); }

    // Asked before another configuration comes into force; its error keeps the one that is.
    void set_on_config(std::function<Status(const GlobalConfig&)> on_config) {
        reloading_.set_on_config(std::move(on_config));
    }
    // Gets each event, see EventLog; before run().
    void set_on_event(std::function<void(const ProcessEvent&)> on_event) {
        ctx_.events.set_listener(std::move(on_event));
    }
    // Who is told who comes and goes; outlives this. Before run().
    void set_access(AccessSink& access) { ctx_.shared.access = &access; }

    // What was made of the configuration's certificates and keys; before run().
    void set_tls(TlsContextsPtr contexts) { ctx_.shared.tls.set(std::move(contexts)); }
    // Opens the listening sockets, or uses those that the service manager has opened, and writes
    // the pidfile. The error says what failed and why.
    Status listen(const std::vector<int>& inherited = {});
    // Instead of listen(): takes over from the process at the other end of `taker`, with all its
    // clients, servers and listening sockets. After an error the process is to be left by _exit():
    // nothing of what is the other's may be closed in order.
    Status take_over(std::unique_ptr<Taker> taker);
    // Serves until shut down; `on_up` is called when it does. False: a check of a password does not
    // return, so that nothing may be torn down; the process has to end as it is.
    [[nodiscard]] bool run(const std::function<void()>& on_up = {});

    // ---- Inspector ----
    [[nodiscard]] ConfigPtr config() const override { return ctx_.config; }
    [[nodiscard]] PoolSet& pools() override { return ctx_.pools; }
    [[nodiscard]] RateRulesPtr rate_rules() override { return ctx_.shared.rates.rules(); }
    [[nodiscard]] AuthFailures& auth_failures() override { return ctx_.shared.auth_failures; }
    [[nodiscard]] const EventLog& events() const override { return ctx_.events; }
    [[nodiscard]] unsigned workers() const override { return ctx_.workers_count; }
    [[nodiscard]] Instant now() override { return ctx_.clock.now(); }
    [[nodiscard]] int64_t wall_us(Instant at) override { return ctx_.clock.wall_us(at); }
    [[nodiscard]] std::vector<HostTable::Zone> dns_zones() const override { return names_.zones(); }
    [[nodiscard]] std::vector<HostTable::Row> dns_hosts() const override {
        return ctx_.hosts.rows();
    }
    [[nodiscard]] std::vector<ListeningSocket> listening_sockets() const override {
        return ctx_.listeners.rows();
    }
    void snapshot(bool with_details,
                  std::function<void(std::vector<WorkerSnapshot>)> done) override;
    void census(std::function<void(std::vector<WorkerCensus>)> done) override;
    [[nodiscard]] std::vector<WorkerView> worker_views() override;
    [[nodiscard]] ConfigAge config_age() const override {
        return {ctx_.started_at, ctx_.loaded_at, ctx_.has_loaded};
    }
    void health(std::function<void(HealthSnapshot)> done) override;
    void queries(size_t queries_max, bool with_slow,
                 std::function<void(InsightSnapshot)> done) override;
    void reset_queries(std::function<void(Status)> done) override;
    Status reload() override { return reloading_.reload(); }
    Status add_backend(const BackendAddition& wanted) override {
        return reloading_.add_backend(wanted);
    }
    Status remove_backend(const std::string& name,
                          const std::optional<std::string>& database) override {
        return reloading_.remove_backend(name, database);
    }
    Status pause(const std::optional<std::string>& database) override {
        return orders_.pause(database);
    }
    [[nodiscard]] bool is_quiet(const std::optional<std::string>& database) override {
        return orders_.is_quiet(database);
    }
    Status resume(const std::optional<std::string>& database) override {
        return orders_.resume(database);
    }
    Status kill(const std::optional<std::string>& database) override {
        return orders_.kill(database);
    }
    void kill_client(uint64_t id, std::function<void(Status)> done) override;
    Status set_disabled(const std::string& database, bool is_disabled) override {
        return orders_.set_disabled(database, is_disabled);
    }
    Status reconnect(const std::optional<std::string>& database) override {
        return orders_.reconnect(database);
    }
    Result<size_t> outdated(const std::optional<std::string>& database) override {
        return orders_.outdated(database);
    }
    Status suspend() override { return orders_.suspend(); }
    [[nodiscard]] bool is_suspended() const override { return suspension_.is_on(); }
    [[nodiscard]] bool is_flushed() const override { return suspension_.is_flushed(); }
    Status set_option(const std::string& name, const std::string& value) override {
        return reloading_.set_option(name, value);
    }
    Status shutdown(ShutdownMode mode) override { return life_cycle_.shutdown(mode); }
    Status hand_over(ClientId client) override;
    void order(HealthRegistry::Order order, std::string backend,
               std::function<void(Status)> done) override;
    void reweight(std::string backend, std::optional<double> weight,
                  std::function<void(Status)> done) override;
    [[nodiscard]] bool is_paused() const override { return orders_.is_paused(); }
    [[nodiscard]] bool is_shutting_down() const override { return life_cycle_.is_shutting_down(); }

    // ---- ConsoleOutlet ----
    void reply(ClientId client, std::string bytes, std::vector<AttachedDescriptor> descriptors,
               bool close_after) override;

    // Another process has taken over: nothing new is to be served here.
    [[nodiscard]] bool is_handed_over() const { return handing_over_.is_gone(); }

    // Makes a call on the control thread soon. Thread: any.
    void call_later(std::function<void()> call) { inbox_.call_later(std::move(call)); }
    // Thread: any.
    void post(ControlMessage message) { inbox_.post(std::move(message)); }

  private:
    void create_workers();
    void on_message(ControlMessage& message);
    void on_tick();
    void end_gone();
    void find_user(const LoginQuestion& question, uint32_t uid);
    void free_buried(Instant now);

    ControlContext ctx_;
    Reloading reloading_{ctx_};
    Suspension suspension_;
    DatabaseOrders orders_{ctx_, suspension_};
    LifeCycle life_cycle_{ctx_, reloading_, orders_};
    NameService names_{ctx_};
    Pidfile pidfile_;
    Inbox inbox_;
    Snapshots snapshots_{ctx_.workers, inbox_};
    HandingOver handing_over_{ctx_, inbox_, orders_, pidfile_};
    Predecessors predecessors_{ctx_, inbox_};
    TakenOver taken_over_{ctx_, orders_, predecessors_};
    Auditor auditor_;
    WorkerFolding folding_{ctx_};
    std::function<void(Instant)> on_tick_;
    std::unique_ptr<Ticker> ticker_;
    // Gone first: a look-up that ends while the loop is being closed finds nobody here.
    std::shared_ptr<const int> life_ = std::make_shared<const int>();
    bool is_freeing_ = false;  // pools that were buried: the workers are asked
};

}  // namespace weir
