// Host names and certificates: libpq's rules, one by one.
#include "protocol/tls/tls_names.h"

#include <doctest/doctest.h>

#include "tests/support/certificates.h"

namespace weir::tls_names_test {
using test::Identity;
using test::Subject;

namespace {

bool fits(const Subject& subject, const std::string& host) {
    const Identity identity(subject);
    return check_host(names_in(identity.certificate()), host).has_value();
}

}  // namespace

TEST_CASE("a pattern stands for one label and no more") {
    CHECK(matches_host("db.example.org", "DB.example.ORG"));
    CHECK_FALSE(matches_host("db.example.org", "db.example.or"));
    CHECK(matches_host("*.example.org", "db.example.org"));
    CHECK(matches_host("*.EXAMPLE.org", "db.example.ORG"));
    CHECK_FALSE(matches_host("*.example.org", "example.org"));
    CHECK_FALSE(matches_host("*.example.org", "a.db.example.org"));
    CHECK_FALSE(matches_host("*.example.org", ".example.org"));
    CHECK_FALSE(matches_host("*", "db"));
    CHECK_FALSE(matches_host("*.org", "example.org"));
    CHECK_FALSE(matches_host("d*.example.org", "db.example.org"));
    CHECK_FALSE(matches_host("*.*.org", "db.example.org"));
    CHECK_FALSE(matches_host("", "db"));
    CHECK_FALSE(matches_host("db", ""));
}

TEST_CASE("names of the extension count, and the common name only where there are none") {
    CHECK(fits({.common_name = "db.example.org"}, "db.example.org"));
    CHECK(fits({.common_name = "*.example.org"}, "db.example.org"));
    const Subject both{.common_name = "old.example.org",
                       .alternatives = {"DNS:db.example.org", "DNS:*.replicas.example.org"}};
    CHECK(fits(both, "db.example.org"));
    CHECK(fits(both, "r1.replicas.example.org"));
    CHECK_FALSE(fits(both, "old.example.org"));
    CHECK_FALSE(fits(both, "other.example.org"));
    CHECK_FALSE(fits(both, ""));
    // Addresses are of another kind: the common name still speaks for names.
    const Subject address{.common_name = "db.example.org", .alternatives = {"IP:10.0.0.1"}};
    CHECK(fits(address, "db.example.org"));
}

TEST_CASE("addresses are compared as such") {
    const Subject subject{.common_name = "10.0.0.9", .alternatives = {"IP:10.0.0.1", "IP:fe80::1"}};
    CHECK(fits(subject, "10.0.0.1"));
    CHECK(fits(subject, "fe80:0::0:1"));
    CHECK_FALSE(fits(subject, "10.0.0.2"));
    CHECK_FALSE(fits(subject, "10.0.0.9"));
    CHECK(fits({.common_name = "10.0.0.9"}, "10.0.0.9"));
    CHECK_FALSE(fits({.common_name = "*.0.0.9"}, "10.0.0.9"));
    CHECK_FALSE(fits({.common_name = "x", .alternatives = {"DNS:*.0.0.1"}}, "10.0.0.1"));
    CHECK(is_address("::1"));
    CHECK(is_address("127.0.0.1"));
    CHECK_FALSE(is_address("localhost"));
    CHECK_FALSE(is_address(""));
}

TEST_CASE("a name with a NUL in it is nobody's") {
    const std::string hidden("db.example.org\0.evil.org", 23);
    CHECK_FALSE(fits({.common_name = hidden}, "db.example.org"));
    const Identity identity({.common_name = hidden});
    CHECK(names_in(identity.certificate()).common_name.empty());
}

TEST_CASE("a refusal says whose certificate it is") {
    const Identity identity({.common_name = "x", .alternatives = {"DNS:a", "DNS:b", "DNS:c"}});
    const Status refused = check_host(names_in(identity.certificate()), "d");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message ==
          "server certificate for \"a\" (and 2 other names) does not match host name \"d\"");
    CHECK(refused.error().sqlstate == "08006");
}

TEST_CASE("the names of a certificate are told by kind") {
    const Identity identity(
        {.common_name = "app", .alternatives = {"DNS:app2", "email:app@example.org"}});
    const CertificateNames names = names_in(identity.certificate());
    CHECK(names.common_name == "app");
    CHECK(names.dns_names == std::vector<std::string>{"app2"});
    CHECK(names.subject == "CN=app,O=Weir tests");
    CHECK(names.emails == std::vector<std::string>{"app@example.org"});
}

}  // namespace weir::tls_names_test
