// The option ldapurl (RFC 4516): ldap[s]://host[:port]/basedn[?attribute[?scope[?filter]]], parts
// percent-encoded where they have to be. As in PostgreSQL, without a scope only the entry basedn
// itself is looked at. Only for ldap_options.cpp. Thread: any (pure functions).
#pragma once

#include <optional>
#include <string_view>

#include "conf/ldap_options.h"

namespace weir {

// base, one, sub.
std::optional<LdapScope> find_ldap_scope(std::string_view word);

// Sets what the URL says; what it leaves out, but for the scope, stays as it is. Error 22023 with a
// remedy.
Status apply_ldap_url(LdapOptions& options, std::string_view url);

}  // namespace weir
