// The command line: PgBouncer's options and rules, and our own. Thread: main, at start.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weir {

// What the process is started for.
enum class Task : uint8_t {
    Serve,
    CheckConfig,    // --check-config: read all that a start would read, tell what is wrong, exit
    ExplainConfig,  // --explain-config: tell what the configuration comes to, exit
    VerifyLogs,     // --verify-log: look at hash-chained logs, exit
};

struct CommandLine {
    Task task = Task::Serve;
    bool is_json = false;    // --json: what is told is for programs
    bool is_daemon = false;  // -d: go to the background
    bool is_reboot = false;  // -R: take over from the process that runs
    bool is_quiet = false;   // -q: log nothing to standard error
    int verbose = 0;         // number of -v
    std::string user;        // -u: system user to become; empty when not given
    std::string config_file;
    std::vector<std::string> verified_logs;  // of --verify-log
    // Set: there is nothing to run (-h, -V, or a mistake that standard error tells): exit with it.
    std::optional<int> exit_code;
};

// One option; --help, weir(1) and getopt(3) have them from here.
struct CommandLineOption {
    int value;  // its letter, or a number above them: then it has only a name
    const char* name;
    const char* argument;  // its name for people; null: takes none
    const char* doc;

    [[nodiscard]] bool has_letter() const { return value < 256; }
};
std::span<const CommandLineOption> command_line_options();

// Options may be anywhere and short ones together (-dvv); exactly one other argument, the
// configuration file, is needed. Prints what is to be printed. Uses getopt(3), so: one call at a
// time.
CommandLine parse_command_line(int argc, char** argv);

}  // namespace weir
