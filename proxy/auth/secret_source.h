// SecretSource: where the secrets of users come from that auth_file does not know. Asked once per
// login (once more if what it knew from earlier did not match), after the method is chosen and if
// the method has to know the user. Owner: Worker, each its own (WorkerContext::secrets; null =
// there are no other users). Thread: the worker's.
#pragma once

#include <optional>
#include <string>

#include "conf/config.h"
#include "proxy/auth/login_question.h"

namespace weir {

struct SecretRequest {
    LoginQuestion question;
    const std::string& user;      // as the client says
    const std::string& database;  // likewise
    const DatabaseConfig* entry;  // of that database; null = there is none
    bool is_console = false;
    bool must_ask = false;  // what was found out earlier will not do
};

class SecretSource {
  public:
    virtual ~SecretSource() = default;

    // The answer if it is known at once; with none, a LoginAnswer comes later, never inside of this
    // call. What `request` refers to lives until the call returns.
    virtual std::optional<Result<UserSecret>> look_up(const SecretRequest& request) = 0;
};

}  // namespace weir
