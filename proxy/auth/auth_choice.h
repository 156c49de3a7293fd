// AuthChoice: how one client has to prove who it is: what auth_type says, or the rule of the HBA
// file that matches it. Pure. Owner: Authentication. Thread: any (values).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "conf/auth_rules.h"
#include "conf/config.h"
#include "protocol/base/result.h"
#include "proxy/auth/peer_identity.h"

namespace weir {

struct AuthChoice {
    AuthMethod method = AuthMethod::Reject;
    const HbaRule* rule = nullptr;           // null: auth_type has decided
    std::shared_ptr<const AuthRules> rules;  // where it is; outlives a reload

    // May who the system or a certificate knows as `name` log in as `user`?
    [[nodiscard]] bool allows(std::string_view name, std::string_view user) const;
    // What a certificate fails to prove, as a text for the log; null = nothing.
    [[nodiscard]] const char* certificate_problem(const PeerIdentity& identity, bool is_tls,
                                                  std::string_view user) const;
};

// Reject when no rule matches, with `rule` null, and when the one that does says so.
AuthChoice choose_auth(const Config& config, const HbaClient& client);

}  // namespace weir
