// Where metrics, the status page and the health checks are served, as `metrics_listen` says it: a
// port alone, which is on 127.0.0.1, or ADDRESS:PORT. Thread: any (pure).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace weir {

struct MetricsAddress {
    std::string host;  // IPv4, in numbers; 0.0.0.0 is every address
    uint16_t port = 0;

    bool operator==(const MetricsAddress&) const = default;
    [[nodiscard]] bool is_loopback() const { return host.rfind("127.", 0) == 0; }
    [[nodiscard]] std::string text() const { return host + ":" + std::to_string(port); }
};

// None when it is empty: nothing is served. `*` stands for every address. Host names are not looked
// up, and IPv6 is not possible: Debian's civetweb is built without it. Errors end in a remedy.
[[nodiscard]] Result<std::optional<MetricsAddress>> parse_metrics_address(std::string_view text);

}  // namespace weir
