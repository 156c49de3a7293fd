// The command line: PgBouncer's options and rules. Thread: main, at start.
#pragma once

#include <optional>
#include <string>

namespace weir {

struct CommandLine {
    bool is_daemon = false;  // -d: go to the background
    bool is_reboot = false;  // -R: take over from the process that runs
    bool is_quiet = false;   // -q: log nothing to standard error
    int verbose = 0;         // number of -v
    std::string user;        // -u: system user to become; empty when not given
    std::string config_file;
    // Set: there is nothing to run (-h, -V, or a mistake that standard error tells): exit with it.
    std::optional<int> exit_code;
};

// Options may be anywhere and short ones together (-dvv); exactly one other argument, the
// configuration file, is needed. Prints what is to be printed. Uses getopt(3), so: one call at a
// time.
CommandLine parse_command_line(int argc, char** argv);

}  // namespace weir
