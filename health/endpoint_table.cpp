#include "health/endpoint_table.h"

namespace weir {

Endpoint& EndpointTable::obtain(const std::string& host, uint16_t port) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<Endpoint>& endpoint = endpoints_[{host, port}];
    if (!endpoint) endpoint = std::make_unique<Endpoint>(host, port, worker_count_, wakeup_);
    return *endpoint;
}

}  // namespace weir
