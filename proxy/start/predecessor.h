// The process that runs already with our configuration, for -R (online restart). Thread: main, at
// start, before anything listens.
#pragma once

#include <optional>
#include <string>

#include "conf/config.h"

namespace weir {

// Is there a process to take over from? The path of the Unix socket that it listens on, where its
// console answers; nothing when nobody listens there, and -R is then an ordinary start.
std::optional<std::string> find_predecessor(const GlobalConfig& global);

}  // namespace weir
