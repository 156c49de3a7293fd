// ClientKey: what is in the cancel key that a client session was given. It names the worker and the
// session, so that a request that arrives anywhere finds its way.
//
//   process id = life (4 bits) | worker (6) | slot + 1 (21)
//   secret     = 4 random bytes; for protocol 3.2 the tail behind them
//
// Drivers take the process id for what it is with PostgreSQL: above zero (some do not cancel
// otherwise), and not that of the connection before. So the top bit is clear, and the same slot has
// another number in its next lives.
//
// The tail is made from the rest with a secret of the process, so that a session keeps none of it.
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <string>

#include "protocol/base/ids.h"
#include "protocol/base/siphash.h"
#include "protocol/message/cancel_key.h"

namespace weir {

struct ClientKey {
    WorkerId worker = 0;
    uint32_t slot = 0;    // below 2^21 - 1
    uint32_t secret = 0;  // never zero in a key that we gave
    std::string tail;     // empty in protocol 3.0
    uint32_t life = 0;    // of the slot: its low bits are told, and are no secret
};

CancelKey make_cancel_key(const ClientKey& key);
// Of any key: what is not ours names a worker or a session that does not exist, or a wrong secret.
ClientKey parse_client_key(const CancelKey& key);

constexpr size_t kKeyTailBytes = 24;
// The tail of the key of the session `id` (ClientSession::id); `process_secret` is random and the
// same as long as the process lives.
std::string make_key_tail(const SipKey& process_secret, const ClientKey& key, uint64_t id);

}  // namespace weir
