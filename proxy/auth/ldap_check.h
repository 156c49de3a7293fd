// Asks an LDAP directory whether a password is right: by a simple bind as the user, whose DN is
// made from the name or searched for before. Blocks, for a few seconds at most in each step.
// Source: ldap(3) and PostgreSQL's documentation of the same method. Thread: those of
// PasswordChecks.
#pragma once

#include "proxy/auth/password_checks.h"

namespace weir {

// question.ldap is not null. An empty password is wrong: LDAP would take it for an anonymous bind,
// which succeeds.
PasswordAnswer check_by_ldap(const PasswordQuestion& question);

}  // namespace weir
