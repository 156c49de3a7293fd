#include "proxy/start/command_line.h"

#include <getopt.h>

#include <array>
#include <cstdio>

namespace weir {

namespace {

constexpr int kCheckConfig = 256, kExplainConfig = 257, kJson = 258, kVerifyLog = 259;

constexpr std::array<CommandLineOption, 11> kOptions = {{
    {'d', "daemon", nullptr, "run in the background"},
    {'q', "quiet", nullptr, "log nothing to standard error"},
    {'R', "reboot", nullptr, "take over from the process that runs"},
    {'u', "user", "USERNAME", "become this system user"},
    {'v', "verbose", nullptr, "log more; may be repeated"},
    {'V', "version", nullptr, "print the version and exit"},
    {'h', "help", nullptr, "print this and exit"},
    {kCheckConfig, "check-config", nullptr, "tell every error and warning of the files and exit"},
    {kExplainConfig, "explain-config", nullptr,
     "tell what the files come to, with advice, and exit"},
    {kJson, "json", nullptr, "of --check-config and --explain-config: as JSON"},
    {kVerifyLog, "verify-log", nullptr,
     "say whether the files of access_log or audit_log, oldest first, are as they were written"},
}};

// As getopt_long(3) wants them, with the empty one at the end.
std::array<option, kOptions.size() + 1> long_options() {
    std::array<option, kOptions.size() + 1> out{};
    for (size_t i = 0; i < kOptions.size(); ++i) {
        const int has_argument = kOptions[i].argument == nullptr ? no_argument : required_argument;
        out[i] = {kOptions[i].name, has_argument, nullptr, kOptions[i].value};
    }
    return out;
}

std::string short_options() {
    std::string out;
    for (const CommandLineOption& option : kOptions) {
        if (!option.has_letter()) continue;
        out += static_cast<char>(option.value);
        if (option.argument != nullptr) out += ':';
    }
    return out;
}

void print_usage(const char* program) {
    std::printf(
        "%s is a connection pooler for PostgreSQL.\n"
        "\n"
        "Usage:\n"
        "  %s [OPTION]... CONFIG_FILE\n"
        "  %s --verify-log FILE...\n"
        "  %s top [OPTION]... [CONNSTR]   look at one that runs\n"
        "\n"
        "Options:\n",
        program, program, program, program);
    for (const CommandLineOption& option : kOptions) {
        std::string left = "      ";
        if (option.has_letter()) left = std::string("  -") + static_cast<char>(option.value) + ", ";
        left += std::string("--") + option.name;
        if (option.argument != nullptr) left += std::string("=") + option.argument;
        std::printf("%-23s%s\n", left.c_str(), option.doc);
    }
}

int usage_error(const char* program, const char* text) {
    if (text != nullptr) std::fprintf(stderr, "%s: %s\n", program, text);
    std::fprintf(stderr, "Try \"%s --help\" for more information.\n", program);
    return 1;
}

// False: there is nothing to run, and `out` says how to end.
bool take_option(CommandLine& out, int value, const char* program) {
    switch (value) {
        case 'd': out.is_daemon = out.is_quiet = true; return true;
        case 'q': out.is_quiet = true; return true;
        case 'R': out.is_reboot = true; return true;
        case 'u': out.user = optarg; return true;
        case 'v': ++out.verbose; return true;
        case kCheckConfig: out.task = Task::CheckConfig; return true;
        case kExplainConfig: out.task = Task::ExplainConfig; return true;
        case kJson: out.is_json = true; return true;
        case kVerifyLog: out.task = Task::VerifyLogs; return true;
        case 'V':
            std::printf("Weir %s\n", WEIR_VERSION);
            out.exit_code = 0;
            return false;
        case 'h':
            print_usage(program);
            out.exit_code = 0;
            return false;
        default: out.exit_code = usage_error(program, nullptr); return false;
    }
}

}  // namespace

std::span<const CommandLineOption> command_line_options() {
    return kOptions;
}

CommandLine parse_command_line(int argc, char** argv) {
    CommandLine out;
    const char* program = argc > 0 ? argv[0] : "weir";
    const auto names = long_options();
    const std::string letters = short_options();
    optind = 0;  // glibc: begin anew
    while (true) {
        const int value = getopt_long(argc, argv, letters.c_str(), names.data(), nullptr);
        if (value < 0) break;
        if (!take_option(out, value, program)) return out;
    }
    if (out.task == Task::VerifyLogs) {
        out.verified_logs.assign(argv + optind, argv + argc);
        if (out.verified_logs.empty())
            out.exit_code = usage_error(program, "no log file specified");
        return out;
    }
    if (optind + 1 == argc) {
        out.config_file = argv[optind];
    } else {
        out.exit_code = usage_error(program, optind == argc ? "no configuration file specified"
                                                            : "more than one configuration file "
                                                              "specified");
    }
    return out;
}

}  // namespace weir
