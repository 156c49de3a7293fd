// EndpointTable: every Endpoint there has ever been, by address. None is ever removed, so that the
// data path may keep plain references; a RELOAD that brings an address back finds the same one.
// Bounded by what the configuration has named since the start.
// Owner: the composition root; outlives pools and the health thread. Lock: mutex_ guards
// endpoints_. Thread: any (mutex); not for the path of a query.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "health/endpoint.h"
#include "health/event_fd.h"

namespace weir {

class EndpointTable {
  public:
    // `worker_count` = how many WorkerIds will report, from 0.
    explicit EndpointTable(unsigned worker_count) : worker_count_(worker_count) {}
    EndpointTable(const EndpointTable&) = delete;
    EndpointTable& operator=(const EndpointTable&) = delete;

    // The one with this address; made when there is none.
    [[nodiscard]] Endpoint& obtain(const std::string& host, uint16_t port);

    [[nodiscard]] EventFd& wakeup() { return wakeup_; }

  private:
    const unsigned worker_count_;
    EventFd wakeup_;
    std::mutex mutex_;
    std::map<std::pair<std::string, uint16_t>, std::unique_ptr<Endpoint>> endpoints_;
};

}  // namespace weir
