// ServerCredentials: how to log in to the server as a pool's user; changed when a client proves a
// newer secret. Thread: any (values; the pool guards its own copy).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "protocol/auth/secret.h"

namespace weir {

// Keys derived from a plain password once, good for every server that announces this salt.
struct DerivedKeys {
    ScramKeys keys;
    std::vector<uint8_t> salt;
    uint32_t iterations = 0;
};

struct ServerCredentials {
    std::string user;
    SecretString secret;  // plain, md5... or a SCRAM verifier; empty = none known
    std::shared_ptr<const ScramKeys> scram_keys;      // of a client's own SCRAM login
    std::shared_ptr<const DerivedKeys> derived_keys;  // of an earlier login with the plain password
};

}  // namespace weir
