#include "proxy/auth/auth_choice.h"

#include <algorithm>

namespace weir {

namespace {

AuthMethod method_of(AuthType type) {
    switch (type) {
        case AuthType::Any: return AuthMethod::Any;
        case AuthType::Trust: return AuthMethod::Trust;
        case AuthType::Plain: return AuthMethod::Plain;
        case AuthType::Md5: return AuthMethod::Md5;
        case AuthType::ScramSha256: return AuthMethod::ScramSha256;
        case AuthType::Cert: return AuthMethod::Cert;
        case AuthType::Ldap: return AuthMethod::Ldap;
        case AuthType::Pam: return AuthMethod::Pam;
        case AuthType::Hba: return AuthMethod::Reject;  // the rules decide
    }
    return AuthMethod::Reject;  // uncovered: every enumerator is above
}

}  // namespace

AuthChoice choose_auth(const Config& config, const HbaClient& client) {
    AuthChoice choice;
    choice.method = method_of(config.global.auth_type);
    if (config.global.auth_type != AuthType::Hba || config.auth_rules == nullptr) return choice;
    choice.rules = config.auth_rules;
    choice.rule = choice.rules->hba.find(client);
    if (choice.rule != nullptr) choice.method = choice.rule->method;
    return choice;
}

bool AuthChoice::allows(std::string_view name, std::string_view user) const {
    if (name.empty()) return false;
    if (rule == nullptr || rule->map.empty()) return name == user;
    return rules->maps.allows(rule->map, name, user);
}

const char* AuthChoice::certificate_problem(const PeerIdentity& identity, bool is_tls,
                                            std::string_view user) const {
    const bool is_method = method == AuthMethod::Cert;
    const ClientCertificate wanted =
        rule == nullptr ? ClientCertificate::NotAsked : rule->certificate;
    if (!is_method && wanted == ClientCertificate::NotAsked) return nullptr;
    if (!is_tls) return "TLS connection required";
    if (!identity.has_certificate) return "TLS client certificate required";
    if (!is_method && wanted == ClientCertificate::VerifyCa) return nullptr;
    // The map is of the method; clientcert=verify-full asks for the very name.
    const auto is_right = [&](const std::string& name) {
        return is_method ? allows(name, user) : !name.empty() && name == user;
    };
    if (is_right(identity.common_name)) return nullptr;
    const auto& others = identity.alternative_names;
    if (std::any_of(others.begin(), others.end(), is_right)) return nullptr;
    return "TLS certificate name mismatch";
}

}  // namespace weir
