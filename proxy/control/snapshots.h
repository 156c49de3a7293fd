// Snapshots: asks every worker for a picture of its sessions and connections, or for a count.
// Owner: Control. Thread: control.
#pragma once

#include <functional>
#include <vector>

#include "proxy/control/inbox.h"
#include "proxy/worker_group.h"

namespace weir {

class Snapshots {
  public:
    using Done = std::function<void(std::vector<WorkerSnapshot>)>;

    Snapshots(WorkerGroup& workers, Inbox& inbox) : workers_(workers), inbox_(inbox) {}

    // `done` is called on the control thread with one snapshot per worker. `is_brief`: only what
    // the workers hold.
    void gather(bool is_brief, Done done) { gather({is_brief, false}, std::move(done)); }
    // The same, and each connection with its SocketDetails.
    void gather_details(Done done) { gather({false, true}, std::move(done)); }
    void census(Instant now, std::function<void(std::vector<WorkerCensus>)> done);
    // Sends `message` to every worker; `done`, if there is one, is called on the control thread
    // with the sum of what they count for its tally.
    void count(WorkerMessage message, std::function<void(uint64_t)> done);

  private:
    struct Depth {
        bool is_brief;
        bool with_details;
    };
    void gather(Depth depth, Done done);
    void ask(WorkerMessage message, Done done);

    WorkerGroup& workers_;
    Inbox& inbox_;
};

}  // namespace weir
