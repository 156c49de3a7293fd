// What is told when no server serves somebody, beyond that there is none.
// Pure but for the pools' own locks. Thread: any.
#pragma once

#include <string>

#include "protocol/base/result.h"
#include "proxy/pool/pool_group.h"

namespace weir {

// What the last log-in failed with, told to somebody who was not there (PgBouncer's words).
[[nodiscard]] Error cached_refusal(const Error& known);

// `text`, and what one of the backends that cannot be reached has refused us with, if any has: that
// is nearer to the cause.
[[nodiscard]] std::string with_cause(std::string text, const PoolMembers& members);

}  // namespace weir
