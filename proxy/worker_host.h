// WorkerHost: a Worker and what it needs to live in a process: its Io, the inbox that other threads
// write to, an alarm for its deadlines, and its share of the listening sockets. It sleeps nowhere:
// a WorkerThread drives it, and may hand it to another between two batches of events. Then all that
// it watches goes along; but clients are accepted only at home, on the thread of its own number.
// Owner: WorkerGroup. Thread: that of the WorkerThread that drives it; begin() before there is any,
// post() and post_grant() any.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "proxy/net/epoll_io.h"
#include "proxy/net/listener.h"
#include "proxy/parking.h"
#include "proxy/runtime/alarm.h"
#include "proxy/runtime/loop.h"
#include "proxy/worker.h"

namespace weir {

class WorkerGroup;

// alignas: Watch keeps flags in the low bits of its address.
class alignas(64) WorkerHost {
  public:
    WorkerHost(WorkerId id, WorkerGroup& group, WatchTable& watches, Shared& shared,
               ConfigPtr config);

    [[nodiscard]] WorkerId id() const { return id_; }
    EpollIo& io() { return io_; }
    Worker& worker() { return worker_; }

    // Before any thread drives it.
    void begin(std::vector<ListenerPtr> listeners);
    // Into the hands of the thread of that number, which sleeps in `set`, and out of them.
    void enter(const EpollSet& set, WorkerId thread);
    void leave();

    // Puts it into the inbox. True: nothing was there, so that the driver may have to be woken.
    [[nodiscard]] bool post(WorkerMessage message);
    [[nodiscard]] bool post_grant(const Grant& grant);
    // The driver will look at the inbox. Thread: any.
    void wake() { wakeup_.wake(); }

    // ---- the driver's ----

    // The time of the batch of events that comes next, or goes on.
    void set_now(Instant now) { worker_.set_now(now); }
    // Of a connection. `more_come`: other events of the same batch.
    void on_event(const IoEvent& event, bool more_come) { worker_.on_event(event, more_come); }
    void on_loop() { loop_.run_ready(); }
    void on_alarm() { alarm_.on_ring(); }
    void on_listener(int fd);
    // Carries out what has come for it. False when there was nothing.
    bool drain_inbox();
    // The batch is over.
    void on_batch_end();
    // False: there is something to be done at once. Otherwise the alarm is set.
    [[nodiscard]] bool may_sleep();
    // Where to stand still at the end of the batch; null = no need.
    [[nodiscard]] const std::shared_ptr<ParkingLot>& parking() const { return parking_; }
    void forget_parking() { parking_.reset(); }
    // The thread that is to drive it; nothing = it stays.
    [[nodiscard]] std::optional<WorkerId> wanted_by() const { return wanted_by_; }

    // ---- while the thread is parked, or not started yet ----

    bool drain_parked();
    // Another process goes on with them, and with who waits there.
    void drop_listeners();

  private:
    // What is not the worker's own business.
    void on_message(WorkerMessage& message);
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
    bool is_home_ = true;
    bool are_listeners_watched_ = false;
    bool is_suspended_ = false;            // SUSPEND: nobody is accepted
    Instant accept_again_at_;              // out of descriptors until then
    std::shared_ptr<ParkingLot> parking_;  // asked for
    std::optional<WorkerId> wanted_by_;
    Wakeup wakeup_;  // after the members that its callback uses
};

}  // namespace weir
