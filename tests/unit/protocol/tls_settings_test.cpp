// What settings stand for, and what contexts are refused, with whose name in the message.
#include "protocol/tls/tls_settings.h"

#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include "protocol/tls/tls_context.h"
#include "tests/support/certificates.h"

namespace weir::tls_settings_test {
using test::Identity;

namespace {

TlsFile file(const char* option, std::string_view content) {
    return {option, "x.pem", SecretString(content)};
}

TlsSettings accepting(const Identity& identity) {
    TlsSettings settings;
    settings.certificate = file("client_tls_cert_file", identity.certificate_pem());
    settings.key = file("client_tls_key_file", identity.key_pem());
    settings.authorities.option = "client_tls_ca_file";
    return settings;
}

std::string refusal(const TlsSettings& settings) {
    const auto made = TlsContext::make(settings);
    return made ? "" : made.error().message;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("tls versions: words, lists and exceptions") {
    const auto is = [](const char* text, int min, int max, uint64_t disabled) {
        const auto versions = parse_tls_versions(text);
        return versions && versions->min == min && versions->max == max &&
               versions->disabled == disabled;
    };
    CHECK(is("secure", TLS1_2_VERSION, TLS1_3_VERSION, 0));
    CHECK(is("SECURE", TLS1_2_VERSION, TLS1_3_VERSION, 0));
    CHECK(is("all", TLS1_VERSION, TLS1_3_VERSION, 0));
    CHECK(is("legacy", TLS1_VERSION, TLS1_3_VERSION, 0));
    CHECK(is("tlsv1", TLS1_VERSION, TLS1_3_VERSION, 0));
    CHECK(is("tlsv1.3", TLS1_3_VERSION, TLS1_3_VERSION, 0));
    CHECK(is("tlsv1.1, tlsv1.3", TLS1_1_VERSION, TLS1_3_VERSION, SSL_OP_NO_TLSv1_2));
    CHECK(is("tlsv1.0:tlsv1.2", TLS1_VERSION, TLS1_2_VERSION, SSL_OP_NO_TLSv1_1));
    CHECK(is("all,!tlsv1.0", TLS1_1_VERSION, TLS1_3_VERSION, 0));
    CHECK(is("secure !tlsv1.3", TLS1_2_VERSION, TLS1_2_VERSION, 0));
    CHECK_FALSE(parse_tls_versions("tlsv1.4"));
    CHECK_FALSE(parse_tls_versions("sslv3"));
    CHECK_FALSE(parse_tls_versions(""));
    CHECK_FALSE(parse_tls_versions("secure,!secure"));
}

TEST_CASE("the fingerprint knows contents and settings, not the spelling of a path") {
    const Identity identity({.common_name = "db"});
    const TlsSettings base = accepting(identity);
    TlsSettings moved = base;
    moved.certificate.path = "./x.pem";
    CHECK(fingerprint(moved) == fingerprint(base));
    TlsSettings other = base;
    other.certificate.content = SecretString("else");
    CHECK(fingerprint(other) != fingerprint(base));
    other = base;
    other.verify = TlsVerify::Name;
    CHECK(fingerprint(other) != fingerprint(base));
    other = base;
    other.side = TlsSide::Connect;
    CHECK(fingerprint(other) != fingerprint(base));
    for (std::string TlsSettings::*field :
         {&TlsSettings::protocols, &TlsSettings::ciphers, &TlsSettings::tls13_ciphers,
          &TlsSettings::dheparams, &TlsSettings::ecdhcurve}) {
        other = base;
        other.*field += "x";
        CHECK(fingerprint(other) != fingerprint(base));
    }
}

TEST_CASE("a context is made of a certificate and its key, with a chain behind it") {
    const Identity authority({.common_name = "CA", .is_authority = true});
    const Identity identity({.common_name = "db"}, &authority);
    TlsSettings settings = accepting(identity);
    settings.certificate.content =
        SecretString(identity.certificate_pem() + authority.certificate_pem());
    const auto made = TlsContext::make(settings);
    REQUIRE(made);
    CHECK((*made)->end_point_hash().value_or("").size() == 32);
    CHECK((*made)->made_of() == fingerprint(settings));
    const Identity no_hash({.common_name = "db", .is_ed25519 = true});
    const auto without = TlsContext::make(accepting(no_hash));
    REQUIRE(without);
    CHECK_FALSE((*without)->end_point_hash());
}

TEST_CASE("what no context can be made of is refused with the option's name") {
    const Identity identity({.common_name = "db"});
    const Identity other({.common_name = "other"});
    TlsSettings settings = accepting(identity);
    settings.certificate = {"client_tls_cert_file", "", SecretString()};
    CHECK(has(refusal(settings), "client_tls_key_file and client_tls_cert_file must be set"));

    settings = accepting(identity);
    settings.certificate = file("client_tls_cert_file", "nonsense");
    CHECK(
        has(refusal(settings), "client_tls_cert_file \"x.pem\": no usable certificate: no start"));
    settings.certificate.content =
        SecretString(identity.certificate_pem() + "-----BEGIN CERTIFICATE-----\n!\n");
    CHECK(
        has(refusal(settings), "client_tls_cert_file \"x.pem\": broken certificate in the chain"));

    settings = accepting(identity);
    settings.key = file("client_tls_key_file", "nonsense");
    CHECK(has(refusal(settings), "client_tls_key_file \"x.pem\": no usable private key"));
    settings.key = file("client_tls_key_file", identity.key_pem("secret"));
    CHECK(has(refusal(settings), "protected by a passphrase"));
    settings.key = file("client_tls_key_file", other.key_pem());
    CHECK(has(refusal(settings), "client_tls_key_file \"x.pem\": "));

    settings = accepting(identity);
    settings.verify = TlsVerify::Authority;
    CHECK(has(refusal(settings), "set client_tls_ca_file"));
    settings.authorities = file("client_tls_ca_file", "nothing");
    CHECK(has(refusal(settings), "client_tls_ca_file \"x.pem\": no certificate in it"));

    for (const auto& [field, value, text] :
         {std::tuple{&TlsSettings::protocols, "tlsv9", "client_tls_protocols = tlsv9"},
          std::tuple{&TlsSettings::ciphers, "NOSUCH",
                     "client_tls_ciphers = NOSUCH: no cipher match"},
          std::tuple{&TlsSettings::tls13_ciphers, "NOSUCH", "client_tls13_ciphers = NOSUCH"},
          std::tuple{&TlsSettings::dheparams, "big", "client_tls_dheparams = big"},
          std::tuple{&TlsSettings::ecdhcurve, "round", "client_tls_ecdhcurve = round"}}) {
        settings = accepting(identity);
        settings.*field = value;
        CHECK(has(refusal(settings), text));
    }
}

TEST_CASE("towards servers a certificate of our own is a matter of both files") {
    const Identity identity({.common_name = "weir"});
    TlsSettings settings;
    settings.side = TlsSide::Connect;
    settings.prefix = "server_tls";
    settings.certificate.option = "server_tls_cert_file";
    settings.key.option = "server_tls_key_file";
    CHECK(refusal(settings).empty());
    settings.verify = TlsVerify::Name;  // by the system's authorities
    CHECK(refusal(settings).empty());
    settings.certificate = file("server_tls_cert_file", identity.certificate_pem());
    CHECK(has(refusal(settings), "only of use together"));
    settings.key = file("server_tls_key_file", identity.key_pem());
    CHECK(refusal(settings).empty());
}

}  // namespace weir::tls_settings_test
