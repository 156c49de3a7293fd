// VerifierCache: SCRAM verifiers made from plain passwords. Making one costs thousands of hashes,
// so it is done once per user and password, not once per login. Thread: any (one mutex, at login
// only).
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "protocol/auth/secret.h"

namespace weir {

class VerifierCache {
  public:
    // The verifier for `user` with this plain password; made, with a random salt, when it is not
    // known yet.
    ScramVerifier get(const std::string& user, const SecretString& password, uint32_t iterations);

  private:
    struct Entry {
        SecretString password;
        ScramVerifier verifier;
    };
    std::mutex mutex_;
    std::map<std::string, Entry> by_user_;  // bounded by the users of auth_file
};

}  // namespace weir
