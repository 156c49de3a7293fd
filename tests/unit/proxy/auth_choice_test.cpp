// Goal: auth_type or a rule decides how a client proves who it is, and a certificate proves what it
// is asked for. Method: small configurations and identities by hand.
#include "proxy/auth/auth_choice.h"

#include <doctest/doctest.h>

namespace weir::auth_choice_test {
namespace {

Config config_with(AuthType type, const std::string& hba = "", const std::string& ident = "") {
    Config config;
    config.global.auth_type = type;
    config.global.auth_hba_file = "hba";
    if (!ident.empty()) config.global.auth_ident_file = "ident";
    const AuthFiles files{
        [&](const std::string& path) -> Result<std::string> { return path == "hba" ? hba : ident; },
        read_directory};
    const auto errors = load_auth_rules(config, files, {"weir.ini", 1});
    for (const ConfigError& error : errors)
        MESSAGE(to_string(error));
    REQUIRE(errors.empty());
    return config;
}

const HbaClient kLocal{.is_unix = true, .address = {}, .database = "d", .user = "u"};

HbaClient by_tls() {
    return {.is_tls = true,
            .address = AddressBytes::from(std::array<uint8_t, 4>{10, 0, 0, 1}),
            .database = "d",
            .user = "u"};
}

PeerIdentity certificate(const std::string& common_name, std::vector<std::string> others = {}) {
    return {true, common_name, std::move(others)};
}

std::string problem(const AuthChoice& choice, const PeerIdentity& identity, bool is_tls = true) {
    const char* text = choice.certificate_problem(identity, is_tls, "u");
    return text == nullptr ? "" : text;
}

TEST_CASE("auth_type decides for everybody unless it is hba") {
    const std::pair<AuthType, AuthMethod> all[] = {
        {AuthType::Any, AuthMethod::Any},     {AuthType::Trust, AuthMethod::Trust},
        {AuthType::Plain, AuthMethod::Plain}, {AuthType::Md5, AuthMethod::Md5},
        {AuthType::Cert, AuthMethod::Cert},   {AuthType::ScramSha256, AuthMethod::ScramSha256},
        {AuthType::Ldap, AuthMethod::Ldap},   {AuthType::Pam, AuthMethod::Pam},
    };
    for (const auto& [type, method] : all) {
        const AuthChoice choice = choose_auth(config_with(type, "local all all reject"), kLocal);
        CHECK(choice.method == method);
        CHECK(choice.rule == nullptr);
    }
}

TEST_CASE("with hba the rule decides, and without one nobody gets in") {
    const Config config = config_with(AuthType::Hba, "local d u md5\nlocal d v reject\n");
    const AuthChoice choice = choose_auth(config, kLocal);
    CHECK(choice.method == AuthMethod::Md5);
    REQUIRE(choice.rule != nullptr);
    CHECK(choice.rule->at.line == 1);
    HbaClient other = kLocal;
    other.user = "v";
    CHECK(choose_auth(config, other).method == AuthMethod::Reject);
    CHECK(choose_auth(config, other).rule != nullptr);
    other.user = "w";
    CHECK(choose_auth(config, other).method == AuthMethod::Reject);
    CHECK(choose_auth(config, other).rule == nullptr);
    Config bare;
    bare.global.auth_type = AuthType::Hba;
    CHECK(choose_auth(bare, kLocal).method == AuthMethod::Reject);
}

TEST_CASE("without a map names have to be the same, with one it decides") {
    const AuthChoice same = choose_auth(config_with(AuthType::Hba, "local all all peer"), kLocal);
    CHECK(same.allows("u", "u"));
    CHECK_FALSE(same.allows("v", "u"));
    CHECK_FALSE(same.allows("", ""));
    const AuthChoice mapped =
        choose_auth(config_with(AuthType::Hba, "local all all peer map=m", "m ann u"), kLocal);
    CHECK(mapped.allows("ann", "u"));
    CHECK_FALSE(mapped.allows("u", "u"));
    CHECK_FALSE(mapped.allows("", "u"));
}

TEST_CASE("a certificate proves its common name and its other names") {
    const AuthChoice choice = choose_auth(config_with(AuthType::Cert), by_tls());
    CHECK(problem(choice, certificate("u")).empty());
    CHECK(problem(choice, certificate("x", {"y", "u"})).empty());
    CHECK(problem(choice, certificate("x", {"y"})) == "TLS certificate name mismatch");
    CHECK(problem(choice, certificate("")) == "TLS certificate name mismatch");
    CHECK(problem(choice, PeerIdentity{}) == "TLS client certificate required");
    CHECK(problem(choice, PeerIdentity{false, "u", {}}) == "TLS client certificate required");
    CHECK(problem(choice, certificate("u"), false) == "TLS connection required");
}

TEST_CASE("a certificate may be mapped") {
    const AuthChoice choice = choose_auth(
        config_with(AuthType::Hba, "hostssl all all all cert map=m", R"(m /^(.*)@x\.y$ \1)"),
        by_tls());
    CHECK(problem(choice, certificate("u@x.y")).empty());
    CHECK(problem(choice, certificate("z", {"u@x.y"})).empty());
    CHECK(problem(choice, certificate("u")) == "TLS certificate name mismatch");
}

TEST_CASE("a rule may want a certificate beside a password") {
    const AuthChoice ca = choose_auth(
        config_with(AuthType::Hba, "hostssl all all all md5 clientcert=verify-ca"), by_tls());
    CHECK(ca.method == AuthMethod::Md5);
    CHECK(problem(ca, certificate("x")).empty());
    CHECK(problem(ca, PeerIdentity{}) == "TLS client certificate required");
    const AuthChoice full = choose_auth(
        config_with(AuthType::Hba, "hostssl all all all md5 clientcert=verify-full"), by_tls());
    CHECK(problem(full, certificate("u")).empty());
    CHECK(problem(full, certificate("x")) == "TLS certificate name mismatch");
    const AuthChoice none =
        choose_auth(config_with(AuthType::Hba, "hostssl all all all md5"), by_tls());
    CHECK(problem(none, PeerIdentity{}).empty());
}

TEST_CASE("rules are loaded with auth_type hba only, and all or nothing") {
    Config config;
    const AuthFiles files{[](const std::string& path) -> Result<std::string> {
                              if (path == "good") return std::string("local all all trust\n");
                              if (path == "maps") return std::string("m a b\n");
                              if (path == "mapped")
                                  return std::string("local all all peer map=m\n");
                              if (path == "lost")
                                  return std::string("\nlocal all all peer map=n\n");
                              if (path == "bad") return std::string("bad\n");
                              return fail("58P01", "No such file or directory");
                          },
                          read_directory};
    const auto errors = [&](const char* hba, const char* ident) {
        config.global.auth_hba_file = hba;
        config.global.auth_ident_file = ident;
        std::string out;
        for (const ConfigError& error : load_auth_rules(config, files, {"weir.ini", 7}))
            out += to_string(error) + "\n";
        return out;
    };
    CHECK(errors("bad", "bad").empty());  // auth_type is md5
    CHECK(config.auth_rules == nullptr);
    config.global.auth_type = AuthType::Hba;
    CHECK(errors("good", "").empty());
    const auto good = config.auth_rules;
    REQUIRE(good != nullptr);
    CHECK(errors("", "") ==
          "weir.ini:7: auth_type = hba needs rules; name their file in auth_hba_file\n");
    CHECK(errors("bad", "").starts_with("bad:1: "));
    CHECK(errors("good", "bad").starts_with("bad:1: "));
    CHECK(errors("none", "").starts_with("none: cannot read"));
    CHECK(errors("lost", "") == "lost:2: map=n needs auth_ident_file, which is not set; set it\n");
    CHECK(errors("lost", "maps") ==
          "lost:2: there is no map \"n\" in \"maps\"; add it, or correct the name\n");
    CHECK(config.auth_rules == good);
    CHECK(errors("mapped", "maps").empty());
    CHECK(config.auth_rules != good);
    config.global.auth_type = AuthType::Md5;
    CHECK(errors("bad", "").empty());
    CHECK(config.auth_rules == nullptr);
}

TEST_CASE("auth_type cert contradicts settings with which nobody shows a certificate") {
    GlobalConfig global;
    CHECK(auth_contradictions(global).empty());
    global.auth_type = AuthType::Cert;
    CHECK(auth_contradictions(global).size() == 2);
    global.client_tls_sslmode = SslMode::VerifyFull;
    CHECK(auth_contradictions(global).size() == 1);
    global.client_tls_ca_file = "ca.pem";
    CHECK(auth_contradictions(global).empty());
}

}  // namespace
}  // namespace weir::auth_choice_test
