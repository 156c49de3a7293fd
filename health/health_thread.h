// HealthThread: owns registry and prober and runs them. It is started by the first plan that has
// anything to watch: a proxy of single backends has no such thread, and pays nothing.
//
// Each 100 ms, and at once when a worker reports a failure: intakes are drained, verdicts judged
// and published. Orders and questions come through a queue; answers are given by calling back on
// the health thread, where a callback must neither block nor throw (post to an inbox, set a
// promise). When nothing runs, the answer comes at once on the caller's thread: there are no
// backends.
//
// What happens is logged here, one line per event.
// Lock: mutex_ guards commands_, held for a push or a swap; start_mutex_ guards thread_.
// Owner: the composition root; destroyed before the EndpointTable. Thread: any, but the destructor.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "health/backend_spec.h"
#include "health/endpoint_table.h"
#include "health/health_report.h"
#include "health/registry.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

namespace weir {

class HealthThread {
  public:
    // Called on the health thread after each round in which anything happened, with the verdicts
    // published already. For routes_changed: clients that wait may have to be routed anew.
    using OnChanges = std::function<void(const HealthChanges&)>;
    using OnStatus = std::function<void(Status)>;
    using OnSnapshot = std::function<void(HealthSnapshot)>;

    // `table` is borrowed and outlives this.
    HealthThread(EndpointTable& table, OnChanges on_changes);
    HealthThread(const HealthThread&) = delete;
    HealthThread& operator=(const HealthThread&) = delete;
    ~HealthThread();

    // At start and RELOAD; takes effect within a round. Starts the thread when it is needed; one
    // that no longer is sleeps.
    void configure(HealthPlan plan);
    // Ends the thread, within 100 ms unless a host name is being looked up. Not from a callback.
    void stop();
    [[nodiscard]] bool is_running();

    void give(HealthRegistry::Order order, std::string name, OnStatus done);
    void reweight(std::string name, std::optional<double> weight, OnStatus done);
    void snapshot(OnSnapshot done);

    static constexpr Duration kTick = std::chrono::milliseconds(100);

  private:
    class Loop;
    using Command = std::function<void(Loop&)>;

    // False when there is nobody to run it.
    bool post(Command command);
    void run(const std::stop_token& stop);
    [[nodiscard]] std::vector<Command> take_commands();

    EndpointTable& table_;
    OnChanges on_changes_;
    std::mutex mutex_;
    std::vector<Command> commands_;
    bool is_accepting_ = false;  // guarded by mutex_: the thread runs and will look again
    std::mutex start_mutex_;
    std::jthread thread_;  // last: everything above outlives it
};

}  // namespace weir
