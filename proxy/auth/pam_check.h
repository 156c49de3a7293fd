// Asks PAM whether a password is right: service `pgbouncer` (/etc/pam.d/pgbouncer) or the rule's,
// authentication and account. Blocks for as long as the modules do. Thread: those of
// PasswordChecks.
#pragma once

#include "proxy/auth/password_checks.h"

namespace weir {

PasswordAnswer check_by_pam(const PasswordQuestion& question);

}  // namespace weir
