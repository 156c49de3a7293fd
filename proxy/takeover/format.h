// The format of what one process hands over to another (weir -R). Thread: any (constant).
#pragma once

#include <cstdint>

namespace weir {

// Another one only when a reader that skips what it does not know would go wrong; see archive.h.
constexpr uint32_t kTakeoverFormat = 1;

}  // namespace weir
