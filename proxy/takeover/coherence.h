// Whether the records of a hand-over hold together: no reference leads nowhere, and nobody has what
// belongs to another. Pure. Thread: any (values).
#pragma once

#include "proxy/takeover/state.h"

namespace weir {

[[nodiscard]] bool is_coherent(const HandedWorld& world);

}  // namespace weir
