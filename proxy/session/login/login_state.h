// LoginState: a login that has come to a point where another process can go on with it: before the
// start-up packet, behind it while nothing has been asked of the client yet (its secret is being
// looked up, say), when the answer to a wrong password is held back, or when the client has proven
// who it is. In between nobody else can: a challenge is only good for the one who made it.
// Thread: any (values).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/base/clock.h"

namespace weir {

struct NamedValue {
    std::string name;
    std::string value;
};

struct LoginState {
    uint32_t encryption_requests = 0;
    std::string refusal_sqlstate;  // empty unless it is refused
    std::string refusal;
    Instant answer_at;
    uint32_t wanted_attrs = 0;       // target_session_attrs as the client says, plus one; 0 = none
    std::vector<NamedValue> wanted;  // tracked parameters of the start-up packet
    std::string client_key, server_key;  // of its SCRAM login; empty = none
    std::string secret;                  // by which a server may be asked in its name
    std::string replication_options;     // `options` of a replication client
    bool is_unasked = false;             // who it is, is to be found out from the beginning
};

}  // namespace weir
