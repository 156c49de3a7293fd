// The composition root: the one file that sees every room. Reads the command line and the
// configuration, makes the parts, wires them, and runs the control thread.
#include <cstdio>
#include <cstring>
#include <string>

#include "admin/console/console.h"
#include "conf/loader.h"
#include "conf/logging.h"
#include "proxy/control.h"

namespace {

struct CommandLine {
    bool is_quiet = false;
    int verbose = 0;
    std::string config_file;
    int exit_code = -1;  // set when there is nothing to run
};

void print_usage(std::FILE* to) {
    std::fputs(
        "Usage: weir [OPTION]... CONFIG.ini\n"
        "  -q, --quiet      log nothing to standard error\n"
        "  -v, --verbose    log more; may be repeated\n"
        "  -V, --version    print the version and exit\n"
        "  -h, --help       print this and exit\n",
        to);
}

CommandLine parse(int argc, char** argv) {
    CommandLine out;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "-V" || word == "--version") {
            std::printf("Weir %s\n", WEIR_VERSION);
            out.exit_code = 0;
        } else if (word == "-h" || word == "--help") {
            print_usage(stdout);
            out.exit_code = 0;
        } else if (word == "-q" || word == "--quiet") {
            out.is_quiet = true;
        } else if (word == "--verbose" || (word.size() > 1 && word[0] == '-' &&
                                           word.find_first_not_of('v', 1) == std::string::npos)) {
            out.verbose += word == "--verbose" ? 1 : static_cast<int>(word.size() - 1);
        } else if (!word.empty() && word[0] == '-') {
            std::fprintf(stderr, "weir: unknown option %s; try weir --help\n", word.c_str());
            out.exit_code = 1;
        } else if (out.config_file.empty()) {
            out.config_file = word;
        } else {
            std::fprintf(stderr, "weir: more than one configuration file given: %s\n",
                         word.c_str());
            out.exit_code = 1;
        }
        if (out.exit_code >= 0) return out;
    }
    if (out.config_file.empty()) {
        print_usage(stderr);
        out.exit_code = 1;
    }
    return out;
}

}  // namespace

int main(int argc, char** argv) {
    const CommandLine line = parse(argc, argv);
    if (line.exit_code >= 0) return line.exit_code;
    const weir::LoadResult loaded = weir::load_config(line.config_file, nullptr);
    if (!loaded.config) {
        for (const weir::ConfigError& error : loaded.errors) {
            std::fprintf(stderr, "%s:%d: %s\n", error.file.c_str(), error.line,
                         error.message.c_str());
        }
        std::fprintf(stderr, "FATAL cannot load config file %s\n", line.config_file.c_str());
        return 1;
    }
    if (const weir::Status logging = weir::init_logging(loaded.config->global, line.is_quiet);
        !logging) {
        std::fprintf(stderr, "FATAL %s\n", logging.error().message.c_str());
        return 1;
    }
    for (const weir::ConfigNote& note : loaded.config->not_yet_in_effect) {
        weir::log::warning("{}:{}: {}", note.file, note.line, note.text);
    }
    int exit_code = 0;
    {
        weir::Control control(line.config_file, loaded.config, line.is_quiet);
        weir::Console console(control, control);
        control.set_console(console);
        control.set_on_tick([&console](weir::Instant now) { console.on_tick(now); });
        if (const weir::Status listening = control.listen(); !listening) {
            weir::log::fatal("{}", listening.error().message);
            exit_code = 1;
        } else {
            control.run();
        }
    }
    weir::shutdown_logging();
    return exit_code;
}
