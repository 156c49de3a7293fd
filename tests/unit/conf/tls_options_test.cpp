// Goal: each option of TLS reaches the settings of its side, and files are read as far as they are
// needed. Method: a configuration whose values name their options.
#include "conf/tls_options.h"

#include <doctest/doctest.h>

namespace weir::tls_options_test {
namespace {

// A file holds its own path, but for "gone".
Result<std::string> read_path(const std::string& path) {
    if (path == "gone") return fail("58P01", "No such file or directory");
    return "in " + path;
}

GlobalConfig all_set() {
    GlobalConfig g;
    g.client_tls_sslmode = SslMode::VerifyFull;
    g.client_tls_ca_file = "c_ca";
    g.client_tls_cert_file = "c_cert";
    g.client_tls_key_file = "c_key";
    g.client_tls_protocols = "c_protocols";
    g.client_tls_ciphers = "c_ciphers";
    g.client_tls13_ciphers = "c_13";
    g.client_tls_dheparams = "c_dhe";
    g.client_tls_ecdhcurve = "c_ecdh";
    g.server_tls_sslmode = SslMode::VerifyCa;
    g.server_tls_ca_file = "s_ca";
    g.server_tls_cert_file = "s_cert";
    g.server_tls_key_file = "s_key";
    g.server_tls_protocols = "s_protocols";
    g.server_tls_ciphers = "s_ciphers";
    g.server_tls13_ciphers = "s_13";
    return g;
}

void check_file(const TlsFile& file, const std::string& option, const std::string& path) {
    CHECK(file.option == option);
    CHECK(file.path == path);
    CHECK(file.content.view() == (path.empty() ? "" : "in " + path));
}

TEST_CASE("every option towards clients reaches its setting") {
    const auto made = tls_settings(TlsSide::Accept, all_set(), read_path);
    REQUIRE(made);
    REQUIRE(made->has_value());
    const TlsSettings& s = **made;
    CHECK(s.side == TlsSide::Accept);
    CHECK(s.verify == TlsVerify::Name);
    CHECK(s.prefix == "client_tls");
    CHECK(s.protocols == "c_protocols");
    CHECK(s.ciphers == "c_ciphers");
    CHECK(s.tls13_ciphers == "c_13");
    CHECK(s.dheparams == "c_dhe");
    CHECK(s.ecdhcurve == "c_ecdh");
    check_file(s.authorities, "client_tls_ca_file", "c_ca");
    check_file(s.certificate, "client_tls_cert_file", "c_cert");
    check_file(s.key, "client_tls_key_file", "c_key");
}

TEST_CASE("every option towards servers reaches its setting; the exchange is left to the library") {
    const auto made = tls_settings(TlsSide::Connect, all_set(), read_path);
    REQUIRE(made);
    REQUIRE(made->has_value());
    const TlsSettings& s = **made;
    CHECK(s.side == TlsSide::Connect);
    CHECK(s.verify == TlsVerify::Authority);
    CHECK(s.prefix == "server_tls");
    CHECK(s.protocols == "s_protocols");
    CHECK(s.ciphers == "s_ciphers");
    CHECK(s.tls13_ciphers == "s_13");
    CHECK(s.dheparams == "auto");
    CHECK(s.ecdhcurve == "auto");
    check_file(s.authorities, "server_tls_ca_file", "s_ca");
    check_file(s.certificate, "server_tls_cert_file", "s_cert");
    check_file(s.key, "server_tls_key_file", "s_key");
}

TEST_CASE("a side without TLS has no settings, whatever its options say") {
    GlobalConfig g = all_set();
    g.client_tls_sslmode = g.server_tls_sslmode = SslMode::Disable;
    g.client_tls_cert_file = g.server_tls_cert_file = "gone";
    for (const TlsSide side : {TlsSide::Accept, TlsSide::Connect}) {
        const auto made = tls_settings(side, g, read_path);
        REQUIRE(made);
        CHECK_FALSE(made->has_value());
    }
}

TEST_CASE("authorities that nothing is verified by are not read") {
    GlobalConfig g = all_set();
    g.server_tls_sslmode = SslMode::Require;
    g.server_tls_ca_file = "gone";
    const auto made = tls_settings(TlsSide::Connect, g, read_path);
    REQUIRE(made);
    CHECK((*made)->verify == TlsVerify::Nothing);
    check_file((*made)->authorities, "server_tls_ca_file", "");
}

TEST_CASE("a file that cannot be read is told with its option") {
    GlobalConfig g = all_set();
    g.client_tls_key_file = "gone";
    const auto made = tls_settings(TlsSide::Accept, g, read_path);
    REQUIRE_FALSE(made);
    CHECK(made.error().sqlstate == std::string("F0000"));
    CHECK(made.error().message == "client_tls_key_file \"gone\": No such file or directory");
}

}  // namespace
}  // namespace weir::tls_options_test
