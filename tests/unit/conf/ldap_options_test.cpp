// Goal: what an operator may write for LDAP is understood as PostgreSQL understands it, everything
// else is refused with a remedy, and no user name can change a filter or a DN. Method: texts in,
// values out.
#include "conf/ldap_options.h"

#include <doctest/doctest.h>

namespace weir::ldap_options_test {
namespace {

LdapOptions parsed(std::string_view text) {
    const Result<LdapOptions> options = parse_ldap_options(text);
    INFO(text);
    REQUIRE_MESSAGE(options, options.error().message);
    return *options;
}

std::string refused(std::string_view text) {
    const Result<LdapOptions> options = parse_ldap_options(text);
    INFO(text);
    REQUIRE_FALSE(options);
    CHECK(options.error().sqlstate == "22023");
    return options.error().message;
}

TEST_CASE("LDAP options are read as pg_hba.conf has them") {
    const LdapOptions simple =
        parsed(R"(ldapserver=ldap.example.org ldapprefix="cn=" ldapsuffix=", dc=example, dc=org")");
    CHECK(simple.servers == std::vector<std::string>{"ldap.example.org"});
    CHECK(simple.prefix == "cn=");
    CHECK(simple.suffix == ", dc=example, dc=org");
    CHECK_FALSE(simple.searches());
    CHECK(ldap_bind_name(simple, "jane") == "cn=jane, dc=example, dc=org");
    CHECK(ldap_uris(simple) == "ldap://ldap.example.org");

    const LdapOptions search = parsed(
        "\tldapserver=\"one two\",  ldapport=1389 ldaptls=1 "
        "ldapbasedn=dc=example,dc=org ldapbinddn=\"cn=a \"\"b\"\"\" ldapbindpasswd=\"p w\" "
        "\"ldapsearchfilter=(|(uid=$username)(mail=$username))\" ldapscope=one,");
    CHECK(ldap_uris(search) == "ldap://one:1389 ldap://two:1389");
    CHECK(search.starts_tls);
    CHECK(search.base_dn == "dc=example,dc=org");
    CHECK(search.bind_dn == "cn=a \"b\"");
    CHECK(search.bind_password == "p w");
    CHECK(search.scope == LdapScope::One);
    CHECK(ldap_filter(search, "jane") == "(|(uid=jane)(mail=jane))");
}

TEST_CASE("commas part LDAP options, as in pg_hba_file_rules, and belong to values otherwise") {
    const LdapOptions options = parsed(
        "ldapserver=h,ldaptls=1,\"ldapbasedn=cn=users,dc=x\",ldapbinddn=uid=a,dc=x,ldapport=7");
    CHECK(options.servers == std::vector<std::string>{"h"});
    CHECK(options.base_dn == "cn=users,dc=x");
    CHECK(options.bind_dn == "uid=a,dc=x");
    CHECK(options.port == 7);
}

TEST_CASE("the scheme, an IPv6 address and no port make the right URI") {
    CHECK(ldap_uris(parsed("ldapserver=::1 ldapscheme=ldaps ldapprefix=uid=")) == "ldaps://[::1]");
    CHECK(ldap_uris(parsed("ldapserver=[::1] ldapport=7 ldapprefix=uid=")) == "ldap://[::1]:7");
}

TEST_CASE("a search without a filter goes by uid or the attribute given") {
    CHECK(ldap_filter(parsed("ldapserver=h ldapbasedn=dc=x"), "jane") == "(uid=jane)");
    CHECK(ldap_filter(parsed("ldapserver=h ldapbasedn=dc=x ldapsearchattribute=mail"), "jane") ==
          "(mail=jane)");
}

TEST_CASE("an LDAP URL says several options at once") {
    const LdapOptions all = parsed(
        "ldapurl=\"ldaps://h.example.org:1636/dc=example%2Cdc=org?mail?sub\" ldapbinddn=cn=x");
    CHECK(ldap_uris(all) == "ldaps://h.example.org:1636");
    CHECK(all.base_dn == "dc=example,dc=org");
    CHECK(all.search_attribute == "mail");
    CHECK(all.scope == LdapScope::Subtree);
    CHECK(all.bind_dn == "cn=x");

    const LdapOptions filter =
        parsed("ldapurl=ldap://[::1]:3/dc=x??one?(&(uid=$username)(a=b%20c))");
    CHECK(ldap_uris(filter) == "ldap://[::1]:3");
    CHECK(filter.search_filter == "(&(uid=$username)(a=b c))");
    CHECK(filter.scope == LdapScope::One);

    CHECK(parsed("ldapurl=ldap://h/dc=x").scope == LdapScope::Base);
    CHECK(parsed("ldapurl=ldap://h ldapprefix=uid=").prefix == "uid=");
    CHECK(parsed("ldapserver=h ldapurl=ldap:///dc=x??sub").servers.front() == "h");
}

TEST_CASE("bad LDAP options are refused, and what may be a secret is not told") {
    CHECK(refused("").find("ldapserver=") != std::string::npos);
    CHECK(refused("ldapserver=h").find("ldapprefix=") != std::string::npos);
    CHECK(refused("ldapservr=h").find("did you mean \"ldapserver\"") != std::string::npos);
    CHECK(refused("ldapserver=h ldapprefix=uid= ldapbasedn=dc=x").find("one kind") !=
          std::string::npos);
    CHECK(refused("ldapserver=h ldapbasedn=x ldapsearchattribute=a ldapsearchfilter=(a=$username)")
              .find("together") != std::string::npos);
    CHECK(refused("ldapserver=h ldapbasedn=x ldapsearchfilter=(a=b)").find("$username") !=
          std::string::npos);
    CHECK(refused("ldapserver=h ldapprefix=uid= ldapport=x").find("ldapport") != std::string::npos);
    CHECK(refused("ldapserver=h ldapprefix=uid= ldapscheme=ldapi").find("ldapi") !=
          std::string::npos);
    CHECK(refused("ldapserver=h ldapbasedn=x ldapscope=tree").find("tree") != std::string::npos);
    CHECK(refused("ldapserver=h ldapprefix=uid= ldaptls=yes").find("ldaptls") != std::string::npos);
    CHECK(refused("ldapserver=h ldapprefix=uid= ldaptls=1 ldapscheme=ldaps").find("ldaptls") !=
          std::string::npos);
    CHECK(refused("ldapserver=ldap://h ldapprefix=uid=").find("host name") != std::string::npos);
    CHECK(refused("ldapserver=h ldapprefix=\"uid=").find("not closed") != std::string::npos);
    CHECK(refused("ldapserver=h ldapbasedn=x ldapbindpasswd=my secret").find("secret") ==
          std::string::npos);
    CHECK(refused("ldapurl=http://h/dc=x").find("ldap://") != std::string::npos);
    CHECK(refused("ldapurl=ldap://h:99999/dc=x").find("port") != std::string::npos);
    CHECK(refused("ldapurl=ldap://h/dc=x?a,b").find("more than one") != std::string::npos);
    CHECK(refused("ldapurl=ldap://h/dc=x?a?all").find("scope") != std::string::npos);
    CHECK(refused("ldapurl=ldap://h/dc=%zz").find("%xx") != std::string::npos);
    CHECK(refused("ldapurl=ldap://h/dc=%00").find("%xx") != std::string::npos);
    CHECK(refused("ldapurl=ldap://%4/dc=x").find("%xx") != std::string::npos);
    CHECK(refused("ldapurl=ldap://h/dc=x?a?sub?(a=$username)?ext").find("extension") !=
          std::string::npos);
    CHECK(refused("ldapserver=h ldapprefix=" + std::string(9000, 'x')).find("too long") !=
          std::string::npos);
}

TEST_CASE("a user name stands for itself in a filter and in a DN") {
    using std::operator""sv;
    CHECK(escape_ldap_filter("j*)(uid=\\\0é"sv) == "j\\2a\\29\\28uid=\\5c\\00é");
    CHECK(escape_ldap_dn(" #a,b+c\"d\\e<f>g;h=i "sv) ==
          "\\ #a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h\\=i\\ ");
    CHECK(escape_ldap_dn("#x y\n\0é"sv) == "\\#x y\\0a\\00é");
    CHECK(escape_ldap_dn("") == "");
    CHECK(ldap_bind_name(parsed("ldapserver=h ldapprefix=uid= ldapsuffix=,dc=x"), "a,dc=y") ==
          "uid=a\\,dc\\=y,dc=x");
    CHECK(ldap_filter(parsed("ldapserver=h ldapbasedn=dc=x"), "*") == "(uid=\\2a)");
}

}  // namespace
}  // namespace weir::ldap_options_test
