// PasswordChecker: who says whether a password is right when no secret tells it (LDAP, PAM). It may
// take long, so it works on a thread of its own and answers by a LoginAnswer with a
// PasswordVerdict. Owner: Control (Shared::password_checker; null = such methods are refused).
// Thread: any.
#pragma once

#include <string>

#include "conf/auth_method.h"
#include "protocol/auth/secret.h"
#include "proxy/auth/login_question.h"

namespace weir {

struct PasswordCheck {
    LoginQuestion question;
    AuthMethod method = AuthMethod::Pam;
    AuthOptions options;  // of the HBA rule
    std::string user;
    std::string database;
    std::string client_host;  // address, or `unix`
    SecretString password;
};

class PasswordChecker {
  public:
    virtual ~PasswordChecker() = default;

    // Takes the check on, or says why not (too many wait); the client is told that. The answer
    // never comes inside of this call.
    virtual Status submit(PasswordCheck check) = 0;
};

}  // namespace weir
