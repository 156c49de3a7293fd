#include "conf/auth_rules.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "conf/config.h"

namespace weir {

std::vector<ConfigError> load_auth_rules(Config& config, const AuthFiles& files,
                                         const IniPlace& at) {
    const GlobalConfig& global = config.global;
    if (global.auth_type != AuthType::Hba) {
        config.auth_rules.reset();
        return {};
    }
    if (global.auth_hba_file.empty()) {
        return {
            {at.file, at.line, "auth_type = hba needs rules; name their file in auth_hba_file"}};
    }
    std::vector<ConfigError> errors;
    auto rules = std::make_shared<AuthRules>();
    rules->hba = read_hba(global.auth_hba_file, files, errors);
    if (!global.auth_ident_file.empty()) {
        rules->maps = read_ident(global.auth_ident_file, files, errors);
    }
    for (const HbaRule& rule : rules->hba.rules) {
        if (rule.map.empty() || rules->maps.has(rule.map)) continue;
        add_error(
            errors,
            {rule.at.file, rule.at.line,
             global.auth_ident_file.empty()
                 ? fmt::format("map={} needs auth_ident_file, which is not set; set it", rule.map)
                 : fmt::format("there is no map \"{}\" in \"{}\"; add it, or correct the name",
                               rule.map, global.auth_ident_file)});
    }
    if (!errors.empty()) return errors;
    config.auth_rules = std::move(rules);
    return {};
}

std::vector<std::string> auth_contradictions(const GlobalConfig& global) {
    std::vector<std::string> found;
    if (global.auth_type != AuthType::Cert) return found;
    if (global.client_tls_sslmode != SslMode::VerifyFull) {
        found.emplace_back(
            "auth_type = cert needs client_tls_sslmode = verify-full, or nobody shows a "
            "certificate; set it");
    }
    if (global.client_tls_ca_file.empty()) {
        found.emplace_back(
            "auth_type = cert needs client_tls_ca_file, or no certificate is vouched for; set it");
    }
    return found;
}

}  // namespace weir
