#include "admin/explain/check_config.h"

#include <pwd.h>
#include <spdlog/fmt/fmt.h>

#include <nlohmann/json.hpp>

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

// What only a start would find out: it reads certificates and keys, and becomes another user.
void check_start(const std::string& path, CheckReport& report) {
    const GlobalConfig& global = report.loaded.config->global;
    if (const auto tls = make_tls_contexts(global, TlsContexts()); !tls)
        report.errors.push_back({path, 0, tls.error().message});
    if (const auto http = read_http_settings(global); !http)
        report.errors.push_back({path, 0, http.error().message});
    if (!global.user.empty() && getpwnam(global.user.c_str()) == nullptr) {
        const auto at = report.loaded.places.find({"pgbouncer", "user"});
        const IniPlace place = at == report.loaded.places.end() ? IniPlace{path, 0} : at->second;
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
