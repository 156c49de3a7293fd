// Letting go: another process goes on with what collect() has listed, and this one with what stays.
// Thread: one, while all workers are parked and their inboxes are empty.
#pragma once

#include <span>

#include "proxy/session/context.h"

namespace weir {

// Closes our copies of what collect() has listed, without a word to anybody; and servers that
// neither move nor stay: those that are being opened, and idle ones that are encrypted, which are
// told. Look-ups of secrets that nobody here waits for any more end.
void let_go(std::span<WorkerContext* const> workers, Shared& shared);

}  // namespace weir
