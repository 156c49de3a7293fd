#include "admin/explain/check_config.h"

#include <pwd.h>
#include <spdlog/fmt/fmt.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "admin/http/settings.h"
#include "proxy/net/tls_contexts.h"

namespace weir {

namespace {

std::string counted(size_t number, const char* what) {
    return fmt::format("{} {}{}", number == 0 ? "no" : std::to_string(number), what,
                       number == 1 ? "" : "s");
}

std::string told(const ConfigError& note, const char* kind) {
    return to_string(ConfigError{note.file, note.line, fmt::format("{}: {}", kind, note.message)}) +
           "\n";
}

nlohmann::ordered_json list_of(const std::vector<ConfigError>& notes) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const ConfigError& note : notes)
        list.push_back({{"file", note.file}, {"line", note.line}, {"message", note.message}});
    return list;
}

IniPlace place_of(const std::string& path, const CheckReport& report, const std::string& option) {
    for (const char* section : {"weir", "pgbouncer"}) {
        const auto at = report.loaded.places.find({section, option});
        if (at != report.loaded.places.end()) return at->second;
    }
    return {path, 0};
}

// Files that a start makes are not made here, and whether they may be is the service's user to
// know; but where there is no folder, nobody can make them. Warnings, as a unit's RuntimeDirectory
// and LogsDirectory are there from its start on.
void check_folder(const IniPlace& place, const char* option, const std::string& folder,
                  CheckReport& report) {
    std::error_code error;
    if (std::filesystem::is_directory(folder, error)) return;
    report.warnings.push_back({place.file, place.line,
                               fmt::format("{}: there is no folder \"{}\" yet; unless the service "
                                           "manager makes it, make it, or correct {}",
                                           option, folder, option)});
}

void check_folders(const std::string& path, CheckReport& report) {
    const GlobalConfig& global = report.loaded.config->global;
    const std::pair<const char*, const std::string&> files[] = {
        {"logfile", global.logfile},
        {"pidfile", global.pidfile},
        {"access_log", global.access_log},
        {"audit_log", global.audit_log},
    };
    for (const auto& [option, file] : files) {
        if (file.empty()) continue;
        const std::string folder = std::filesystem::path(file).parent_path();
        check_folder(place_of(path, report, option), option, folder.empty() ? "." : folder, report);
    }
    const std::string& sockets = global.unix_socket_dir;
    if (!sockets.empty() && sockets.front() != '@') {  // @: without a file
        check_folder(place_of(path, report, "unix_socket_dir"), "unix_socket_dir", sockets, report);
    }
}

// What only a start would find out: it reads certificates and keys, makes files, and becomes
// another user.
void check_start(const std::string& path, CheckReport& report) {
    const GlobalConfig& global = report.loaded.config->global;
    check_folders(path, report);
    if (const auto tls = make_tls_contexts(global, TlsContexts()); !tls)
        report.errors.push_back({path, 0, tls.error().message});
    if (const auto http = read_http_settings(global); !http)
        report.errors.push_back({path, 0, http.error().message});
    if (!global.user.empty() && getpwnam(global.user.c_str()) == nullptr) {
        const IniPlace place = place_of(path, report, "user");
        report.errors.push_back({place.file, place.line,
                                 fmt::format("there is no system user \"{}\" to become; create it, "
                                             "or correct user",
                                             global.user)});
    }
}

}  // namespace

CheckReport check_config(const std::string& path) {
    CheckReport report;
    report.loaded = load_config(path, nullptr);
    report.errors = report.loaded.errors;
    if (!report.loaded.config) return report;
    for (const ConfigNote& note : report.loaded.config->warnings)
        report.warnings.push_back({note.file, note.line, note.text});
    check_start(path, report);
    return report;
}

std::string check_text(const std::string& path, const CheckReport& report) {
    std::string text;
    for (const ConfigError& error : report.errors)
        text += told(error, "error");
    for (const ConfigError& warning : report.warnings)
        text += told(warning, "warning");
    return text + fmt::format("{}: {}, {}\n", path, counted(report.errors.size(), "error"),
                              counted(report.warnings.size(), "warning"));
}

std::string check_json(const std::string& path, const CheckReport& report) {
    nlohmann::ordered_json out;
    out["file"] = path;
    out["errors"] = list_of(report.errors);
    out["warnings"] = list_of(report.warnings);
    return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace weir
