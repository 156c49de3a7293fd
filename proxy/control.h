// Control: the main thread. Signals, reload, DNS, the pools' janitor, the console's commands,
// shutdown. It never touches a client, and a server connection only to pass it to the worker that
// is to close it. Owner: main. Thread: control (main), but for post() and on_health().
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "health/endpoint_table.h"
#include "health/health_thread.h"
#include "proxy/auditor.h"
#include "proxy/inspector.h"
#include "proxy/janitor.h"
#include "proxy/net/listen_addresses.h"
#include "proxy/runtime/loop.h"
#include "proxy/worker_thread.h"

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

    // Opens the listening sockets. The error says which address and why.
    Status listen();
    // Serves until shut down.
    void run();

    // ---- Inspector ----
    [[nodiscard]] ConfigPtr config() const override { return config_; }
    [[nodiscard]] PoolSet& pools() override { return pools_; }
    [[nodiscard]] RateRulesPtr rate_rules() override { return shared_.rates.rules(); }
    [[nodiscard]] AuthFailures& auth_failures() override { return shared_.auth_failures; }
    [[nodiscard]] unsigned workers() const override { return workers_count_; }
    [[nodiscard]] Instant now() override { return clock_.now(); }
    [[nodiscard]] int64_t wall_us(Instant at) override { return clock_.wall_us(at); }
    [[nodiscard]] size_t dns_names() const override { return hosts_.size(); }
    void snapshot(std::function<void(std::vector<WorkerSnapshot>)> done) override;
    void health(std::function<void(HealthSnapshot)> done) override;
    Status reload() override;
    Status add_backend(const BackendAddition& wanted) override;
    Status remove_backend(const std::string& name,
                          const std::optional<std::string>& database) override;
    Status pause(const std::optional<std::string>& database) override;
    [[nodiscard]] bool is_quiet(const std::optional<std::string>& database) override;
    Status resume(const std::optional<std::string>& database) override;
    Status kill(const std::optional<std::string>& database) override;
    Status shutdown(ShutdownMode mode) override;
    void order(HealthRegistry::Order order, std::string backend,
               std::function<void(Status)> done) override;
    void reweight(std::string backend, std::optional<double> weight,
                  std::function<void(Status)> done) override;
    [[nodiscard]] bool is_paused() const override { return is_paused_; }
    [[nodiscard]] bool is_shutting_down() const override { return shutdown_.has_value(); }

    // ---- ConsoleOutlet ----
    void reply(ClientId client, std::string bytes, bool close_after) override;

    // Thread: any.
    void post(ControlMessage message);

  private:
    // `call` is made on the control thread soon. Thread: any.
    void call_later(std::function<void()> call);
    [[nodiscard]] std::function<void(Status)> later(std::function<void(Status)> done);
    void gather(bool is_brief, std::function<void(std::vector<WorkerSnapshot>)> done);
    void drain_inbox();
    void on_message(ControlMessage& message);
    void on_tick();
    // Thread: health.
    void on_health(const HealthChanges& changes);
    void on_signal(int number);
    // The one way to another configuration while running.
    void apply(ConfigPtr next);
    void recycle(const std::string& database);
    void kill_clients(const std::string& database);
    void resolve_host(const std::string& host);
    Status write_pidfile();
    void stop_listening();
    [[nodiscard]] bool can_stop();
    Status for_databases(const std::optional<std::string>& name,
                         const std::function<Status(DatabaseState&)>& action);
    static unsigned worker_count(const GlobalConfig& global);

    const std::string config_file_;
    const bool is_quiet_;
    ConfigPtr config_;
    SystemClock clock_;
    Loop loop_;
    const unsigned workers_count_;
    EndpointTable endpoints_;
    PoolSet pools_;
    HostTable hosts_;
    ParameterNames names_;
    WorkerGroup workers_;
    Shared shared_;
    Janitor janitor_;
    Auditor auditor_;
    std::function<void(Instant)> on_tick_;
    std::vector<int> listeners_;
    std::vector<std::string> files_;  // Unix sockets and pidfile, removed at the end
    std::vector<std::unique_ptr<SignalHandle>> signals_;
    std::optional<ShutdownMode> shutdown_;
    bool is_paused_ = false;
    bool is_stopping_ = false;
    std::mutex mutex_;  // guards the inbox
    std::vector<ControlMessage> inbox_;
    std::deque<std::function<void()>> calls_;  // answers for the console, guarded, too
    Wakeup wakeup_;
    std::unique_ptr<Ticker> ticker_;
    HealthThread health_;  // last: it calls back into the members above
};

}  // namespace weir
