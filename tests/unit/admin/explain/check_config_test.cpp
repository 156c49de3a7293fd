// Goal: --check-config tells all that a start would stumble over, and where. Method: small files.
#include "admin/explain/check_config.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

namespace weir::check_config_test {
namespace {

// A configuration in a folder of its own, gone at the end.
class File {
  public:
    explicit File(const std::string& text) {
        REQUIRE(mkdtemp(folder_.data()) != nullptr);
        std::ofstream(path()) << text;
    }
    ~File() {
        unlink(path().c_str());
        rmdir(folder_.c_str());
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    [[nodiscard]] std::string path() const { return folder_ + "/weir.ini"; }

  private:
    std::string folder_ = "/tmp/weir-check-XXXXXX";
};

TEST_CASE("a configuration without a fault") {
    const File file("[databases]\n* = host=h\n[pgbouncer]\nauth_type = any\n* = x\n");
    const CheckReport bad = check_config(file.path());
    CHECK(bad.errors.size() == 1);
    const File good("[databases]\na = host=h user=u\n[pgbouncer]\nauth_type = any\n");
    const CheckReport report = check_config(good.path());
    CHECK(report.errors.empty());
    CHECK(report.loaded.config);
    CHECK(check_text("weir.ini", report) == "weir.ini: no errors, no warnings\n");
}

TEST_CASE("every error is told with its place, and so is what is legal but not meant") {
    const File file("[databases]\na = port=x\n[pgbouncer]\nlisten_port = many\n");
    const CheckReport report = check_config(file.path());
    CHECK_FALSE(report.loaded.config);
    const std::string text = check_text(file.path(), report);
    CHECK(text.find(file.path() + ":2: error: ") == 0);
    CHECK(text.find(file.path() + ":4: error: ") != std::string::npos);
    CHECK(text.find(file.path() + ": 2 errors, no warnings\n") != std::string::npos);
    const File doubtful(
        "[databases]\na = host=h user=u\n[pgbouncer]\nauth_type = any\n"
        "min_pool_size = 30\n");
    const CheckReport doubts = check_config(doubtful.path());
    CHECK(doubts.errors.empty());
    CHECK(check_text("f", doubts).find(doubtful.path() + ":5: warning: min_pool_size (30)") == 0);
}

TEST_CASE("folders of files that a start makes") {
    const File file(
        "[databases]\na = host=h user=u\n[pgbouncer]\nauth_type = any\nlogfile = weir.log\n"
        "pidfile = /nowhere/weir.pid\nunix_socket_dir = @abstract\n[weir]\n"
        "audit_log = /nowhere/audit.log\n");
    const CheckReport report = check_config(file.path());
    CHECK(report.errors.empty());
    REQUIRE(report.warnings.size() == 2);
    CHECK(report.warnings[0].line == 6);
    CHECK(report.warnings[0].message ==
          "pidfile: there is no folder \"/nowhere\" yet; unless the service manager makes it, make "
          "it, or correct pidfile");
    CHECK(report.warnings[1].line == 9);
}

TEST_CASE("what only a start would find: certificates, keys, the system user") {
    const File file(
        "[databases]\na = host=h user=u\n[pgbouncer]\nauth_type = any\nuser = no such user\n"
        "client_tls_sslmode = require\nclient_tls_key_file = /nonexistent/key\n"
        "client_tls_cert_file = /nonexistent/cert\n[weir]\nmetrics_listen = 9127\n"
        "metrics_token_file = /nonexistent/token\n");
    const CheckReport report = check_config(file.path());
    REQUIRE(report.errors.size() == 3);
    CHECK(report.errors[0].message.find("TLS setup failed") != std::string::npos);
    CHECK(report.errors[1].message.find("metrics_token_file") != std::string::npos);
    CHECK(report.errors[2].line == 5);
    CHECK(report.errors[2].message.find("no such user") != std::string::npos);
}

TEST_CASE("the answer for programs") {
    const File file("[databases]\n\xff = port=x\n[pgbouncer]\n");
    const auto out = nlohmann::json::parse(check_json("weir.ini", check_config(file.path())));
    CHECK(out["file"] == "weir.ini");
    CHECK(out["errors"][0]["line"] == 2);
    CHECK(out["errors"][0]["file"] == file.path());
    CHECK(out["warnings"].empty());
}

}  // namespace
}  // namespace weir::check_config_test
