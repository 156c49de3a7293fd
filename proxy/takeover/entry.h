// What the servers of a database were opened by, as text: whoever takes them over compares it with
// its own configuration. Thread: any (pure).
#pragma once

#include <string>

#include "conf/config.h"

namespace weir {

// Equal for two entries unless a RELOAD from one to the other would replace the servers.
std::string servers_entry(const DatabaseConfig& database);

}  // namespace weir
