// The system user that the process runs as. Thread: main, at start, the only thread.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace weir {

// Becomes `user` for good, with that user's groups. The error says what the system refused.
Status become_user(const std::string& user);

}  // namespace weir
