// Goal: the fingerprint follows what the files say, and nothing secret.
#include "conf/fingerprint.h"

#include <doctest/doctest.h>

#include "conf/loader.h"

namespace weir::fingerprint_test {
namespace {

uint32_t fingerprint_of(const std::string& text) {
    const FileReader reader = [&text](const std::string&) -> Result<std::string> { return text; };
    const LoadResult loaded = load_config_with("weir.ini", nullptr, reader);
    REQUIRE(loaded.config != nullptr);
    return loaded.config->fingerprint;
}

TEST_CASE("passwords and credentials are left out of a value") {
    CHECK(without_secrets("app", "host=db password=secret1 port=5432") ==
          "host=db password= port=5432");
    CHECK(without_secrets("app", "password='it''s \\' in' port=1") == "password= port=1");
    CHECK(without_secrets("app", "host=db password = x") == "host=db password =");
    CHECK(without_secrets("app", "password=a auth_token=b") == "password= auth_token=");
    CHECK(without_secrets("metrics_token", "abc") == "");
    CHECK(without_secrets("ldap", "ldaphost=x ldapbindpasswd=\"a b\" x=y") ==
          "ldaphost=x ldapbindpasswd= x=y");
    CHECK(without_secrets("url", "https://me:pw@host/x") == "https://host/x");
    CHECK(without_secrets("url", "https://host/x@y") == "https://host/x@y");
    CHECK(without_secrets("app", "host=db port=5432") == "host=db port=5432");
    CHECK(without_secrets("app", "no password here") == "no password here");
}

TEST_CASE("the fingerprint is another one when a setting is, and for no other reason") {
    const std::string text =
        "[databases]\napp = host=db password=one\n[pgbouncer]\nlisten_port = 1\n";
    const uint32_t before = fingerprint_of(text);
    CHECK(fingerprint_of(text) == before);
    CHECK(fingerprint_of("; a comment\n\n" + text) == before);
    const auto with = [&text](const std::string& from, const std::string& to) {
        std::string out = text;
        return fingerprint_of(out.replace(out.find(from), from.size(), to));
    };
    CHECK(with("password=one", "password=two") == before);
    CHECK(with("host=db", "host=da") != before);
    CHECK(with("listen_port = 1", "listen_port = 2") != before);
    CHECK(with("app", "apq") != before);
}

}  // namespace
}  // namespace weir::fingerprint_test
