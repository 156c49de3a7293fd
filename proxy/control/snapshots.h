// Snapshots: asks every worker for a picture of its sessions and connections. Owner: Control.
// Thread: control.
#pragma once

#include <functional>
#include <vector>

#include "proxy/control/inbox.h"
#include "proxy/worker_thread.h"

namespace weir {

class Snapshots {
  public:
    using Done = std::function<void(std::vector<WorkerSnapshot>)>;

    Snapshots(WorkerGroup& workers, Inbox& inbox) : workers_(workers), inbox_(inbox) {}

    // `done` is called on the control thread with one snapshot per worker. `is_brief`: only what
    // the workers hold.
    void gather(bool is_brief, Done done);

  private:
    WorkerGroup& workers_;
    Inbox& inbox_;
};

}  // namespace weir
