// What a login may have to ask somebody else, who answers later and perhaps from another thread:
// the secret of a user (SecretSource), whether a password is right (PasswordChecker), the name of a
// system user (ControlMessage::Kind::FindSystemUser). A login has
// one question open at the most and reads nothing from its client meanwhile
// (ClientPhase::AuthWait); client_login_timeout goes on. The answer travels as
// WorkerMessage::Kind::LoginAnswer to the worker of question.client, or is given to
// Clients::on_login_answer by who lives on that worker. One for a login that has ended, or for a
// question that is not open any more, is dropped there: whoever answers need not know. Thread: any
// (values).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "protocol/auth/secret.h"
#include "protocol/base/clock.h"
#include "protocol/base/ids.h"
#include "protocol/base/result.h"

namespace weir {

struct LoginQuestion {
    ClientId client;
    uint32_t number = 0;  // of the questions of this login; 0 = none
    // Set when the login has ended: the answer need not be found out any more. May be null.
    std::shared_ptr<const std::atomic<bool>> is_over = {};
};

// What is known of a user's password.
struct UserSecret {
    bool is_known = false;  // there is such a user
    SecretString secret;    // plain, md5... or a SCRAM verifier; empty = no password is right
    bool may_be_stale =
        false;  // found out earlier: to be asked once more before it refuses anybody
};

struct PasswordVerdict {
    bool is_right = false;
    Duration delay{0};  // for which the news of a wrong one has to be held back
};

struct SystemUser {
    std::string name;  // empty: the system does not know it
};

struct LoginAnswer {
    LoginQuestion question;
    // An Error when it could not be found out; the client is told it, and it does not count as a
    // wrong password.
    std::variant<Error, UserSecret, PasswordVerdict, SystemUser> value = Error("no answer");
};

}  // namespace weir
