// WorkerThread: a thread that drives WorkerHosts with epoll: its own, or several, or none. All that
// they watch is in its one epoll set, the wake-ups by other threads and the alarms for deadlines
// included, so that the data path costs one epoll_wait per batch of events, and that one sets up no
// timer. Two hosts of one thread tell each other without waking anybody.
// Owner: WorkerGroup. Thread: start(), arrive(), end(), join() and the clocks the
// group's; the rest its own.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <mutex>
#include <thread>
#include <vector>

#include "proxy/worker_host.h"

namespace weir {

class WorkerThread {
  public:
    WorkerThread(WorkerId id, WorkerGroup& group, Clock& clock);
    ~WorkerThread();

    // From now on it drives the host. Before start(), or its own.
    void drive(WorkerHost& host);
    void start();
    // A host that nobody drives any more is to be driven here.
    void arrive(WorkerHost& host);
    // It ends when all that it drives are stopped.
    void end();
    void join();

    // How long the thread has run, by its own clock; zero when it does not run.
    [[nodiscard]] Duration cpu_time();
    // In the kernel's words; 0 when it does not run yet.
    [[nodiscard]] int tid() const { return tid_.load(std::memory_order_relaxed); }
    [[nodiscard]] const EpollSet& set() const { return set_; }

    // The one that is running; null on other threads.
    static WorkerThread* current();
    // True: it drives that worker, and looks at its inbox before it sleeps.
    bool look_at_inbox_of(WorkerId worker);

  private:
    void run();
    [[nodiscard]] bool is_over() const;
    // Waits for events; gives their number.
    int wait();
    void begin_batch();
    void on_event(const IoEvent& event, bool more_come);
    // Whose the event is; null: of nobody here.
    [[nodiscard]] WorkerHost* host_of(const IoEvent& event) const;
    // It takes part in the present batch.
    void touch(WorkerHost& host);
    void drain_inboxes();
    void end_batch();
    void send_off();
    void take_arrivals();
    void park();

    // Of workers, by their numbers.
    using Bits = uint64_t;
    static_assert(kMaxWorkers <= 64);
    static constexpr Bits bit(WorkerId worker) { return Bits{1} << worker; }
    // Calls fn(WorkerHost&) for those that are driven here.
    template <typename Fn>
    void for_each(Bits bits, Fn&& fn) const {
        for (Bits left = bits; left != 0; left &= left - 1)
            fn(*hosts_[static_cast<size_t>(std::countr_zero(left))]);
    }

    const WorkerId id_;
    WorkerGroup& group_;
    Clock& clock_;
    EpollSet set_;
    Instant now_;                                   // of the batch
    std::array<WorkerHost*, kMaxWorkers> hosts_{};  // that are driven here
    Bits driven_ = 0;                               // the same
    Bits touched_ = 0;                              // take part in the batch
    Bits has_post_ = 0;                             // something is in their inbox
    Bits restless_ = 0;                             // have something to do at once
    std::mutex mutex_;                              // guards arrivals_
    std::vector<WorkerHost*> arrivals_;
    std::atomic<bool> is_ending_{false};
    std::atomic<int> tid_{0};
    Loop loop_;
    Wakeup wakeup_{loop_, [this] { take_arrivals(); }};
    std::thread thread_;
};

}  // namespace weir
