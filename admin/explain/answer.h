// What is answered about a configuration instead of serving it: --check-config and
// --explain-config. Thread: main.
#pragma once

#include "proxy/start/command_line.h"

namespace weir {

// Prints the answer to standard output; gives the exit status: 1 when the configuration has errors.
int answer_about_config(const CommandLine& line);

}  // namespace weir
