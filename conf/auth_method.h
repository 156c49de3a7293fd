// How a client proves who it is: what auth_type says for everybody, or the rule of the HBA file
// that concerns this client. Thread: any (values).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace weir {

enum class AuthMethod : uint8_t {
    Any,     // not at all; its name does not matter either
    Trust,   // not at all
    Reject,  // it cannot
    Plain,   // password, sent as it is
    Md5,     // password, hashed with a salt
    ScramSha256,
    Cert,  // TLS certificate
    Peer,  // system user at the other end of a Unix socket
    Ldap,
    Pam,
};

// What stands behind the method: name and value, in the order of the file.
using AuthOptions = std::vector<std::pair<std::string, std::string>>;

}  // namespace weir
