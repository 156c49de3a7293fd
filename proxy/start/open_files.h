// How many files the process may have open at once. Thread: main, at start.
#pragma once

#include "conf/config.h"

namespace weir {

// Raises the limit as far as the system lets us, and logs it beside what the configuration may come
// to need; a warning when that is more.
void raise_open_files(const Config& config);

// Descriptors that are in use when every client and every server connection that the configuration
// allows is there, as far as it can be known: users that no file names may have pools, too.
long expected_open_files(const Config& config);

}  // namespace weir
