// How to ask an LDAP directory whether a password is right: auth_ldap_options, or what follows the
// method `ldap` in an HBA line, in the form of pg_hba.conf (PostgreSQL documentation, "LDAP
// Authentication"): name=value parted by blanks, where double quotes keep blanks and commas
// together and "" inside them is a quote. `ldapurl` says several at once (RFC 4516).
//
// Two ways to find who the user is. Simple bind: the name between ldapprefix and ldapsuffix is the
// DN. Search and bind: ldapbasedn is searched for the one entry that the filter fits, and its DN is
// taken. A user name is escaped wherever it is put in, so it cannot change a filter or a DN.
// Thread: any (values, pure functions).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conf/auth_method.h"
#include "protocol/base/result.h"

namespace weir {

enum class LdapScope : uint8_t { Base, One, Subtree };

struct LdapOptions {
    std::vector<std::string> servers;  // names or addresses, asked in this order; never empty
    uint16_t port = 0;                 // 0 = that of the scheme
    bool is_ldaps = false;             // TLS from the first byte
    bool starts_tls = false;           // StartTLS before anything is told

    std::string prefix, suffix;  // simple bind

    std::string base_dn;                 // search and bind, unless empty
    std::string bind_dn, bind_password;  // who searches; empty = anonymously
    std::string search_attribute;        // empty = uid, if search_filter is empty, too
    std::string search_filter;           // with $username for the name
    LdapScope scope = LdapScope::Subtree;

    bool operator==(const LdapOptions&) const = default;
    [[nodiscard]] bool searches() const { return !base_dn.empty(); }
};

// Both: error 22023 with a remedy, which quotes no value that may be a password.
Result<LdapOptions> parse_ldap_options(std::string_view text);
Result<LdapOptions> make_ldap_options(const AuthOptions& options);

// Where to connect, for ldap_initialize(3): URIs parted by blanks.
std::string ldap_uris(const LdapOptions& options);
// Simple bind: the name to bind as.
std::string ldap_bind_name(const LdapOptions& options, std::string_view user);
// Search and bind: the filter that fits the user's entry.
std::string ldap_filter(const LdapOptions& options, std::string_view user);

// `value` so that it stands for itself in a filter (RFC 4515 §3), in a DN (RFC 4514 §2.4).
std::string escape_ldap_filter(std::string_view value);
std::string escape_ldap_dn(std::string_view value);

}  // namespace weir
