#include "proxy/start/command_line.h"

#include <getopt.h>

#include <cstdio>

namespace weir {

namespace {

constexpr option kOptions[] = {
    {"daemon", no_argument, nullptr, 'd'},  {"quiet", no_argument, nullptr, 'q'},
    {"reboot", no_argument, nullptr, 'R'},  {"user", required_argument, nullptr, 'u'},
    {"verbose", no_argument, nullptr, 'v'}, {"version", no_argument, nullptr, 'V'},
    {"help", no_argument, nullptr, 'h'},    {nullptr, 0, nullptr, 0},
};

void print_usage(const char* program) {
    std::printf(
        "%s is a connection pooler for PostgreSQL.\n"
        "\n"
        "Usage:\n"
        "  %s [OPTION]... CONFIG_FILE\n"
        "\n"
        "Options:\n"
        "  -d, --daemon         run in the background\n"
        "  -q, --quiet          log nothing to standard error\n"
        "  -R, --reboot         take over from the process that runs\n"
        "  -u, --user=USERNAME  become this system user\n"
        "  -v, --verbose        log more; may be repeated\n"
        "  -V, --version        print the version and exit\n"
        "  -h, --help           print this and exit\n",
        program, program);
}

int usage_error(const char* program, const char* text) {
    if (text != nullptr) std::fprintf(stderr, "%s: %s\n", program, text);
    std::fprintf(stderr, "Try \"%s --help\" for more information.\n", program);
    return 1;
}

}  // namespace

CommandLine parse_command_line(int argc, char** argv) {
    CommandLine out;
    const char* program = argc > 0 ? argv[0] : "weir";
    optind = 0;  // glibc: begin anew
    while (true) {
        const int letter = getopt_long(argc, argv, "dqRu:vVh", kOptions, nullptr);
        if (letter < 0) break;
        switch (letter) {
            case 'd': out.is_daemon = out.is_quiet = true; break;
            case 'q': out.is_quiet = true; break;
            case 'R': out.is_reboot = true; break;
            case 'u': out.user = optarg; break;
            case 'v': ++out.verbose; break;
            case 'V':
                std::printf("Weir %s\n", WEIR_VERSION);
                out.exit_code = 0;
                return out;
            case 'h':
                print_usage(program);
                out.exit_code = 0;
                return out;
            default: out.exit_code = usage_error(program, nullptr); return out;
        }
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
