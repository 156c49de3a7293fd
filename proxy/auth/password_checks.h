// PasswordChecks: the PasswordChecker of the process: asks PAM or an LDAP directory. Both may take
// long, so they are asked on threads of their own (CheckPool): PAM modules one at a time, since
// many were never meant for more; LDAP several at once. Owner: Control. Thread: any.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "conf/config.h"
#include "conf/ldap_options.h"
#include "conf/logging.h"
#include "protocol/auth/secret.h"
#include "protocol/base/clock.h"
#include "proxy/auth/check_pool.h"
#include "proxy/auth/password_checker.h"

namespace weir {

struct PasswordQuestion {
    std::string user;
    SecretString password;
    std::string client_host;                  // an address, or `unix`; PAM_RHOST
    std::shared_ptr<const LdapOptions> ldap;  // null: it is PAM's to say
    std::string pam_service = "pgbouncer";
};

struct PasswordAnswer {
    enum class Kind : uint8_t {
        Right,
        Wrong,   // or the user does not exist, may not log in, has expired
        Failed,  // nobody could say
    };
    Kind kind = Kind::Failed;
    std::string why = {};  // for the log; not for the client
    Duration delay{0};     // PAM wants it held back that long
};

class PasswordChecks final : public PasswordChecker {
  public:
    // `tell` takes the answers to their workers. It is called on other threads and must not block.
    // `clock` outlives it.
    PasswordChecks(Clock& clock, std::function<void(LoginAnswer)> tell);
    ~PasswordChecks() override;

    // auth_ldap_options of `global` are what is used for checks without options of their own.
    void configure(const GlobalConfig& global);

    Status submit(PasswordCheck check) override;

    // The process ends: no answers are told any more, and checks that run are waited for up to
    // `patience` each way. False = one does not return; see CheckPool::stop.
    bool stop(std::chrono::milliseconds patience);

  private:
    struct Mouth;

    Result<PasswordQuestion> question_of(PasswordCheck& check);

    const std::shared_ptr<Mouth> mouth_;
    CheckPool pam_;
    CheckPool ldap_;
    std::mutex mutex_;  // guards default_ldap_
    std::shared_ptr<const LdapOptions> default_ldap_;
};

}  // namespace weir
