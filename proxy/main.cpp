// The composition root: the one file that sees every room. Reads the command line and the
// configuration, makes the parts, wires them, and runs the control thread.
#include <cstdio>
#include <memory>
#include <string>

#include "admin/console/console.h"
#include "conf/loader.h"
#include "conf/logging.h"
#include "proxy/control/control.h"
#include "proxy/start/command_line.h"
#include "proxy/start/predecessor.h"

namespace {

// What the command line says goes into the configuration, where it stays over reloads.
weir::ConfigPtr with_command_line(const weir::Config& loaded, const weir::CommandLine& line) {
    auto config = std::make_shared<weir::Config>(loaded);
    weir::GlobalConfig& global = config->global;
    if (global.verbose == 0) global.verbose = line.verbose;
    return config;
}

int run(const weir::CommandLine& line, const weir::ConfigPtr& config) {
    weir::Control control(line.config_file, config, line.is_quiet);
    weir::Console console(control, control);
    control.set_console(console);
    control.set_on_tick([&console](weir::Instant now) { console.on_tick(now); });
    if (const weir::Status listening = control.listen(); !listening) {
        weir::log::fatal("{}", listening.error().message);
        return 1;
    }
    control.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const weir::CommandLine line = weir::parse_command_line(argc, argv);
    if (line.exit_code) return *line.exit_code;
    if (line.is_daemon || !line.user.empty()) {
        std::fputs("weir: -d and -u are not in effect yet\n", stderr);
        return 1;
    }
    const weir::LoadResult loaded = weir::load_config(line.config_file, nullptr);
    if (!loaded.config) {
        for (const weir::ConfigError& error : loaded.errors) {
            std::fprintf(stderr, "%s:%d: %s\n", error.file.c_str(), error.line,
                         error.message.c_str());
        }
        std::fprintf(stderr, "FATAL cannot load config file %s\n", line.config_file.c_str());
        return 1;
    }
    const weir::ConfigPtr config = with_command_line(*loaded.config, line);
    if (const weir::Status logging = weir::init_logging(config->global, line.is_quiet); !logging) {
        std::fprintf(stderr, "FATAL %s\n", logging.error().message.c_str());
        return 1;
    }
    for (const weir::ConfigNote& note : config->not_yet_in_effect) {
        weir::log::warning("{}:{}: {}", note.file, note.line, note.text);
    }
    // -R: the running process would be taken over from here, before anything listens. Without one
    // it is an ordinary start.
    if (line.is_reboot) {
        if (const auto socket = weir::find_predecessor(config->global)) {
            weir::log::fatal("a process listens on {}; taking over is not in effect yet", *socket);
            return 1;
        }
    }
    const int exit_code = run(line, config);
    weir::shutdown_logging();
    return exit_code;
}
