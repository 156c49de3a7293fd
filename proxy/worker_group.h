// WorkerGroup: all workers, the threads that drive them, and the Exchange between them.
//
// A worker for each core uses them all; but when few of them are busy, every message wakes another
// thread, which costs more than the message. So while one core is enough, all workers can be
// folded: one thread drives them, and nothing else changes. WorkerFolding says when.
// Owner: Control. Thread: the owner's, but for the Exchange's, least_loaded(), client_count() and
// on_arrival(), which are any's.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "proxy/worker_thread.h"

namespace weir {

class WorkerGroup final : public Exchange {
  public:
    WorkerGroup() = default;

    // Makes the workers; they run after start().
    void create(unsigned count, Shared& shared, const ConfigPtr& config);
    // `listeners` are shared by all of them. `is_folded`: how they begin.
    void start(const std::vector<ListenerPtr>& listeners, bool is_folded);
    void stop();
    void broadcast(const WorkerMessage& message);
    void set_control(std::function<void(ControlMessage)> post) { post_control_ = std::move(post); }
    // Where the next client should go: here unless another has clearly fewer.
    [[nodiscard]] WorkerId least_loaded(WorkerId here) const;
    // Of all of them.
    [[nodiscard]] int client_count() const;
    [[nodiscard]] Duration cpu_time(WorkerId thread) { return threads_[thread]->cpu_time(); }
    [[nodiscard]] const WorkerThread& thread(WorkerId id) const { return *threads_[id]; }

    // ---- which thread drives whom ----

    // All workers on the first thread, or each on its own: it takes the threads a moment. Nothing
    // is done while an earlier call is still being carried out.
    void fold(bool is_folded);
    [[nodiscard]] bool is_folded() const { return is_folded_; }
    [[nodiscard]] bool is_settled();
    // A worker has come to a new thread.
    void on_arrival();
    WorkerThread& thread(WorkerId id) { return *threads_[id]; }

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
    [[nodiscard]] unsigned workers() const override { return static_cast<unsigned>(hosts_.size()); }
    Io& io(WorkerId worker) override { return hosts_[worker]->io(); }

  private:
    static void wake(WorkerHost& host);
    void settle();

    WatchTable watches_;
    std::vector<std::unique_ptr<WorkerThread>> threads_;
    std::vector<std::unique_ptr<WorkerHost>> hosts_;
    std::shared_ptr<ParkingLot> parking_;
    std::function<void(ControlMessage)> post_control_;
    bool is_folded_ = false;
    std::mutex mutex_;  // guards moving_
    std::condition_variable arrived_;
    unsigned moving_ = 0;  // workers on their way from thread to thread
};

}  // namespace weir
