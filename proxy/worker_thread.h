// WorkerThread: a thread that drives one Worker with epoll. It sleeps in its own epoll set, of
// which the libuv loop (wake-ups from other threads) and an alarm (deadlines) are members, so that
// the data path costs one epoll_wait per batch, and that one sets up no timer. WorkerGroup: all of
// them, and the Exchange between them. Owner: Control. Thread: start/post/stop any; the rest the
// worker's own.
#pragma once

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "proxy/net/epoll_io.h"
#include "proxy/net/listener.h"
#include "proxy/parking.h"
#include "proxy/runtime/alarm.h"
#include "proxy/runtime/loop.h"
#include "proxy/worker.h"

namespace weir {

class WorkerGroup;

class WorkerThread {
  public:
    WorkerThread(WorkerId id, WorkerGroup& group, Shared& shared, ConfigPtr config);
    ~WorkerThread();

    void start(std::vector<ListenerPtr> listeners);
    // Waits for the thread to end; a Stop message must be on its way.
    void join();
    void post(WorkerMessage message);
    void post_grant(const Grant& grant);
    // How long the thread has run, by its own clock; zero when it does not run.
    [[nodiscard]] Duration cpu_time();
    EpollIo& io() { return io_; }
    Worker& worker() { return worker_; }

    // ---- while the thread is parked, or not started yet ----

    // Carries out what has come for it. False when there was nothing.
    bool drain_parked();
    // Another process goes on with them, and with who waits there.
    void drop_listeners();

  private:
    void run();
    // Waits for events; gives their number.
    int wait_for_events();
    void on_events(int count);
    void drain_inbox();
    // Takes what waits there, at most `most`; false when there may be more.
    bool accept_from(const Listener& listener, int most);
    void watch_listeners();
    void unwatch_listeners();
    void let_listeners_go(bool only_tcp);

    const WorkerId id_;
    WorkerGroup& group_;
    Clock& clock_;
    EpollIo io_;
    Worker worker_;
    Loop loop_;
    Alarm alarm_;
    std::mutex mutex_;  // guards the inbox
    std::vector<WorkerMessage> messages_;
    std::vector<Grant> grants_;
    std::vector<WorkerMessage> messages_running_;  // its twin, being carried out
    std::vector<Grant> grants_running_;
    std::vector<ListenerPtr> listeners_;
    bool are_listeners_watched_ = false;
    bool is_suspended_ = false;            // SUSPEND: nobody is accepted
    Instant accept_again_at_;              // out of descriptors until then
    std::shared_ptr<ParkingLot> parking_;  // where to stand still at the end of the batch
    Wakeup wakeup_;                        // after the members that its callback uses
    std::thread thread_;
};

class WorkerGroup final : public Exchange {
  public:
    WorkerGroup() = default;

    // Makes the workers; they run after start().
    void create(unsigned count, Shared& shared, const ConfigPtr& config);
    // `listeners` are shared by all of them.
    void start(const std::vector<ListenerPtr>& listeners);
    void stop();
    void broadcast(const WorkerMessage& message);
    void set_control(std::function<void(ControlMessage)> post) { post_control_ = std::move(post); }
    // Where the next client should go: here unless another has clearly fewer.
    [[nodiscard]] WorkerId least_loaded(WorkerId here) const;
    // Of all of them.
    [[nodiscard]] int client_count() const;
    [[nodiscard]] Duration cpu_time(WorkerId worker) { return threads_[worker]->cpu_time(); }

    // ---- hand-over to or from another process ----

    // All workers stand still when this returns, and what is theirs is the caller's until unpark().
    void park();
    void unpark();
    // While they stand still, or have not started yet: carries out what they have been sent. False
    // when there was nothing; what is done may send more.
    bool drain_parked();
    void drop_listeners();
    [[nodiscard]] std::vector<WorkerContext*> contexts();

    void post(WorkerId to, WorkerMessage message) override;
    void post_grant(const Grant& grant) override;
    void post_control(ControlMessage message) override { post_control_(std::move(message)); }
    [[nodiscard]] unsigned workers() const override {
        return static_cast<unsigned>(threads_.size());
    }
    Io& io(WorkerId worker) override { return threads_[worker]->io(); }

  private:
    std::vector<std::unique_ptr<WorkerThread>> threads_;
    std::shared_ptr<ParkingLot> parking_;
    std::function<void(ControlMessage)> post_control_;
};

}  // namespace weir
