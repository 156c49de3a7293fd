// Names of system users. The system may ask a server for them (NSS), so this is done in libuv's
// thread pool. Thread: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "proxy/runtime/loop.h"

namespace weir {

// The name of user `uid`, empty when the system knows none, to `done` on a later turn of the loop.
void find_system_user(Loop& loop, uint32_t uid, std::function<void(std::string name)> done);

}  // namespace weir
