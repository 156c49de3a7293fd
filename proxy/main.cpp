// The composition root: the one file that sees every room. It has the order of a start:
//
//   command line, configuration, certificates and keys, system user, background, log, is another
//   one running?, listening sockets, pidfile, up
//
// and wires the parts.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "admin/audit/access_log.h"
#include "admin/audit/audit_trail.h"
#include "admin/audit/verify_log.h"
#include "admin/console/console.h"
#include "admin/explain/answer.h"
#include "admin/http/health_routes.h"
#include "admin/http/service.h"
#include "admin/metrics/collector.h"
#include "admin/page/page.h"
#include "admin/top/top.h"
#include "conf/loader.h"
#include "conf/logging.h"
#include "proxy/control/control.h"
#include "proxy/start/command_line.h"
#include "proxy/start/daemon.h"
#include "proxy/start/identity.h"
#include "proxy/start/inherited_sockets.h"
#include "proxy/start/open_files.h"
#include "proxy/start/predecessor.h"

namespace weir {
namespace {

// What the command line says goes into the configuration, where it stays over reloads.
ConfigPtr with_command_line(const Config& loaded, const CommandLine& line) {
    auto config = std::make_shared<Config>(loaded);
    GlobalConfig& global = config->global;
    if (global.verbose == 0) global.verbose = line.verbose;
    if (global.conffile.empty()) global.conffile = line.config_file;
    if (!line.user.empty()) global.user = line.user;
    return config;
}

ConfigPtr read_config(const CommandLine& line) {
    const LoadResult loaded = load_config(line.config_file, nullptr);
    for (const ConfigError& error : loaded.errors)
        log::error("{}", to_string(error));
    return loaded.config ? with_command_line(*loaded.config, line) : nullptr;
}

// Before anything listens: is another process running with our configuration? With -R it is asked
// to be taken over; `taker` is null when there is none.
Status look_for_others(const CommandLine& line, const GlobalConfig& global,
                       std::unique_ptr<Taker>& taker) {
    const std::optional<std::string> socket = find_predecessor(global);
    if (socket && line.is_reboot) {
        Result<std::unique_ptr<Taker>> asked = Taker::connect(*socket);
        if (!asked) {
            return fail(asked.error().sqlstate, "cannot take over from the process on " + *socket +
                                                    ": " + asked.error().message);
        }
        taker = std::move(*asked);
        return {};
    }
    if (socket) return fail("58000", "unix socket is in use, cannot continue");
    if (line.is_reboot) log::info("old process not found, try to continue normally");
    return Pidfile::check(global.pidfile);
}

// access_log and audit_log.
struct AuditLogs {
    AccessLog access;
    AuditTrail trail;

    Status open(const GlobalConfig& global) {
        if (Status opened = access.open(global.access_log); !opened) return opened;
        return trail.open(global.audit_log);
    }
    // Opens them anew after each reload, so that they can be rotated.
    void on_event(const ProcessEvent& event, const Config& config) {
        if (event.kind == ProcessEvent::Kind::Reload && event.event != "failed") {
            if (Status opened = open(config.global); !opened)
                log::error("{}", opened.error().message);
        }
        trail.note(event, config.digest);
    }
};

Status serve(const CommandLine& line, const ConfigPtr& config, const TlsContextsPtr& tls,
             HttpSettings metrics, const std::vector<int>& sockets, Daemon& daemon) {
    if (Status logging = init_logging(config->global, line.is_quiet); !logging) return logging;
    for (const ConfigNote& note : config->warnings)
        log::warning("{}", to_string(ConfigError{note.file, note.line, note.text}));
    std::unique_ptr<Taker> taker;
    if (sockets.empty()) {
        if (Status alone = look_for_others(line, config->global, taker); !alone) return alone;
    } else if (line.is_reboot) {
        return fail("58000", "-R is not possible with sockets passed from service manager");
    }
    raise_open_files(*config);
    AuditLogs logs;
    if (Status opened = logs.open(config->global); !opened) return opened;
    Control control(line.config_file, config, line.is_quiet);
    control.set_access(logs.access);
    control.set_on_event(
        [&logs, &control](const ProcessEvent& event) { logs.on_event(event, *control.config()); });
    Console console(control, control);
    console.set_audit(logs.trail);
    control.set_console(console);
    control.set_tls(tls);
    StatusPage page(control, console);
    HttpService http([&control](std::function<void()> call) { control.call_later(call); });
    add_health_routes(http.routes(), control);
    page.add_routes(http.routes());
    http.routes().add("/metrics", [&control](const HttpRequest&, const HttpAnswer& answer) {
        collect_metrics(control, [answer](std::string text) {
            answer({.content_type = std::string(kExpositionType), .body = std::move(text)});
        });
    });
    control.set_on_config([&http](const GlobalConfig& global) { return http.apply(global); });
    control.set_on_tick([&](Instant now) {
        console.on_tick(now);
        if (control.is_handed_over()) http.let_go();
        http.on_tick(now);
        page.on_tick(now);
    });
    const bool is_taking_over = taker != nullptr;
    if (taker != nullptr) {
        if (Status taken = control.take_over(std::move(taker)); !taken) {
            const std::string why = "cannot take over: " + taken.error().message;
            log::fatal("{}", why);
            daemon.failed(why);
            shutdown_logging();
            _exit(1);  // what is the other process's must not be closed in order
        }
    } else if (Status listening = control.listen(sockets); !listening) {
        return listening;
    }
    if (Status serving = http.start(std::move(metrics), is_taking_over); !serving) return serving;
    if (!control.run([&daemon] { daemon.ready(); })) {
        log::warning("a check of a password does not return; ending without it");
        shutdown_logging();
        std::_Exit(0);
    }
    return {};
}

Status start(const CommandLine& line) {
    const ConfigPtr config = read_config(line);
    if (!config) return fail("F0000", "cannot load config file");
    // Perhaps only for root to read.
    const Result<TlsContextsPtr> tls = make_tls_contexts(config->global, TlsContexts());
    if (!tls) return tl::unexpected<Error>(tls.error());
    Result<HttpSettings> metrics = read_http_settings(config->global);
    if (!metrics) return tl::unexpected<Error>(metrics.error());
    if (!config->global.user.empty()) {
        if (Status became = become_user(config->global.user); !became) return became;
    }
    if (getuid() == 0) return fail("58000", "Weir should not run as root");
    const std::vector<int> sockets = take_inherited_sockets();
    if (line.is_daemon && config->global.pidfile.empty())
        return fail("58000", "daemon needs pidfile configured");
    Daemon daemon;
    if (line.is_daemon) {
        if (Status gone = daemon.go(); !gone) return gone;
    }
    const Status served = serve(line, config, *tls, std::move(*metrics), sockets, daemon);
    if (!served) daemon.failed(served.error().message);
    return served;
}

}  // namespace
}  // namespace weir

int main(int argc, char** argv) {
    if (argc > 1 && std::strcmp(argv[1], "top") == 0) return weir::run_top(argc - 1, argv + 1);
    const weir::CommandLine line = weir::parse_command_line(argc, argv);
    if (line.exit_code) return *line.exit_code;
    if (line.task == weir::Task::VerifyLogs) return weir::verify_logs(line.verified_logs);
    if (line.task != weir::Task::Serve) return weir::answer_about_config(line);
    const weir::Status started = weir::start(line);
    if (!started) weir::log::fatal("{}", started.error().message);
    weir::shutdown_logging();
    return started ? 0 : 1;
}
