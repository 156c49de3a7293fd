// SimWorld: N workers (the product's), fake clients and backends, one clock, one seed. A step does
// one small thing that chance picks; the checks run after it. A worker fetches a batch of events
// and handles them later, one per step, while others run: as threads do. Thread: one.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "proxy/janitor.h"
#include "proxy/worker.h"
#include "tests/support/fake_backend.h"
#include "tests/support/fake_client.h"
#include "tests/support/sim_net.h"

namespace weir::sim {

// All that a seed decides beforehand.
struct WorldPlan {
    unsigned workers = 2;
    unsigned databases = 1;
    int pool_size = 2, reserve = 0, size_min = 0, user_max = 0;
    PoolMode mode = PoolMode::Transaction;
    unsigned clients = 6;  // at a time
    int clients_total = 20;
    bool has_server_faults = false;
    bool pauses = false;
    bool reloads = false;
    unsigned rude = 0, cancels = 0;
    size_t padding_max = 10;
    int max_prepared = 200;
    int64_t fault_us = 2'000'000;  // how long the wild part lasts
    Faults net;
    [[nodiscard]] std::string text() const;
};
WorldPlan draw_plan(Prng& random);

// One worker as its thread would drive it.
struct SimWorker {
    SimWorker(WorkerId id, SimNet& net, Shared& shared, const ConfigPtr& config)
        : io(net), worker(id, shared, io, config) {}

    SimIo io;
    Worker worker;
    std::vector<WorkerMessage> messages;  // the inbox
    std::vector<Grant> grants;
    // The batch at hand; an event of kind Loop stands for the inbox.
    std::vector<IoEvent> batch;
    size_t next = 0;
    bool is_in_batch = false;
    std::deque<Grant> grants_running;
    std::deque<WorkerMessage> messages_running;
};

// What a process has beside its configuration. A take-over makes another one, and ends this one.
struct SimProcess {
    SimProcess(SimNet& net, Exchange& exchange, Clock& clock, const ConfigPtr& config,
               const ParameterNames& names, unsigned count, uint64_t seed);

    EndpointTable endpoints;
    PoolSet pools;
    HostTable hosts;
    Shared shared;
    Janitor janitor;
    std::vector<std::unique_ptr<SimWorker>> workers;
};

class SimWorld final : public Exchange {
  public:
    explicit SimWorld(uint64_t seed);
    ~SimWorld() override;

    // False, and the trace is printed, when a check failed.
    bool run();
    [[nodiscard]] uint64_t steps() const { return steps_; }
    [[nodiscard]] uint64_t answers() const { return answers_; }
    [[nodiscard]] uint64_t leaks() const { return leaks_; }
    [[nodiscard]] uint64_t takeovers() const { return takeovers_; }
    [[nodiscard]] SimTrace& trace() { return trace_; }

    void post(WorkerId to, WorkerMessage message) override;
    void post_grant(const Grant& grant) override;
    void post_control(ControlMessage message) override { control_.push_back(std::move(message)); }
    [[nodiscard]] unsigned workers() const override {
        return static_cast<unsigned>(process_->workers.size());
    }
    Io& io(WorkerId worker) override { return process_->workers[worker]->io; }

  private:
    std::shared_ptr<Config> make_config() const;
    void step();
    bool step_worker();
    void begin_batch(SimWorker& it);
    void step_batch(SimWorker& it);
    bool step_client();
    bool step_control();
    void step_faults();
    void step_pause();
    void reload();
    void kill();
    [[nodiscard]] bool can_take_over();
    void take_over();
    [[nodiscard]] bool came_later(Instant since, Instant than) const;
    static uint64_t leaks_of(SimWorker& it);
    void pass_time(bool did);
    void new_client();
    void send_cancel(uint64_t key);
    void watch_waiters(SimWorker& it, bool is_after);
    void check();
    void check_limits();
    bool wait_until_calm();
    void check_leaks();
    void finish();
    [[nodiscard]] std::string describe();
    template <typename Fn>
    void for_each_session(Fn&& fn);

    struct Waiting {
        uint32_t slot;
        uint64_t ticket;
        Instant since;
    };

    Prng random_;
    SimTrace trace_;
    const WorldPlan plan_;
    const bool has_rate_limits_;  // apart from the plan, which old seeds are to draw as before
    const SizingMode sizing_;     // these, too
    const int database_max_;      // max_db_connections, for two users; 0 = one user, no limit
    SimClock clock_;
    SimNet net_;
    FakeCluster cluster_;
    ConfigPtr config_;
    const ParameterNames names_;
    const unsigned takeovers_percent_;  // this, too: chance of one at a tick
    std::unique_ptr<SimProcess> process_;
    std::vector<std::unique_ptr<FakeClient>> clients_;
    std::vector<LinkPtr> cancels_;
    std::vector<std::string> cancel_bytes_;
    std::deque<ControlMessage> control_;
    std::vector<Waiting> waiting_before_;
    Instant next_tick_;
    Instant fault_end_;
    int64_t last_client_ = 0;
    uint64_t steps_ = 0;
    uint64_t answers_ = 0;
    uint64_t leaks_ = 0;  // found by the workers
    uint64_t takeovers_ = 0;
    uint64_t bugs_before_ = 0;
    int idle_steps_ = 0;
    bool is_calm_ = false;
};

}  // namespace weir::sim
