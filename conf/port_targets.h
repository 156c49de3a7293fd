// Port targets: ports beside listen_port whose clients want a certain kind of backend, as
// `target_session_attrs_ports = 6433:read-only, 6434:prefer-standby` says it: for applications that
// can be given another port but no other database name. Thread: any (pure).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "protocol/base/result.h"

namespace weir {

struct PortTarget {
    uint16_t port = 0;
    TargetSessionAttrs wanted = TargetSessionAttrs::Any;
};

// One element of the list. The error ends in a remedy.
[[nodiscard]] Result<PortTarget> parse_port_target(std::string_view text);

// Of the option, which the table has checked.
[[nodiscard]] std::vector<PortTarget> port_targets(const GlobalConfig& global);

// What clients of this port want; empty when it is none of those.
[[nodiscard]] std::optional<TargetSessionAttrs> port_target(const GlobalConfig& global,
                                                            uint16_t port);

// One of libpq's words (any, read-write, ...). The error ends in a remedy.
[[nodiscard]] Result<TargetSessionAttrs> parse_target_session_attrs(std::string_view word);

}  // namespace weir
