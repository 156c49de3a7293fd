// PatroniAnswer: what the Patroni beside a server says of it (GET /patroni). Read from bytes that
// anybody may have sent: whatever does not look like such an answer is an error, and the words that
// are kept are short and printable, since console and log show them.
// Pure; allocates; no exception leaves it. Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace weir {

struct PatroniAnswer {
    std::string role;       // in Patroni's words: primary (master of old), replica, ...
    std::string state;      // running, starting, stopping, ...
    uint32_t timeline = 0;  // 0 = it did not say

    bool operator==(const PatroniAnswer&) const = default;
};

// Role of one that takes writes, and running. A standby_leader leads replicas, but is one itself.
[[nodiscard]] bool is_leader(const PatroniAnswer& answer);

// As SHOW HEALTH prints it: primary/running.
[[nodiscard]] std::string to_text(const PatroniAnswer& answer);

[[nodiscard]] Result<PatroniAnswer> read_patroni_answer(std::string_view body);

}  // namespace weir
