// PeerKey: the cancel key of a session whose process has a number among peers (peer_id). Where the
// number and the count of hops stand is PgBouncer's layout, so that either can pass on what is for
// the other:
//
//   bytes 1 and 2     peer id, low byte first
//   byte 7, 2 bits    how often the request may still be passed on (the low bits)
//   the other 45      who and which secret: worker (6), slot (21), secret (18), sealed. The top bit
//                     of byte 0 is clear.
//   byte 8 and on     the tail, as of any ClientKey (protocol 3.2)
//
// There is no room for a long secret beside the name of the session. So all 45 bits are permuted
// under a secret of the process: who guesses, guesses 45 bits, not 18. Thread: any (pure
// functions).
#pragma once

#include "proxy/session/cancel/client_key.h"

namespace weir {

constexpr unsigned kHopsMax = 3;  // what the count begins with

// Of the secret that a session has, only these bits are in its key.
constexpr uint32_t kPeerSecretMask = (1U << 18) - 1;

CancelKey make_peer_key(const SipKey& process_secret, int peer_id, const ClientKey& key);
// Of a key that is ours by its peer id; any other gives some worker and slot and a wrong secret.
ClientKey parse_peer_key(const SipKey& process_secret, const CancelKey& key);

int peer_of(const CancelKey& key);
unsigned hops_left(const CancelKey& key);
// The key with another count, which is no part of what makes it right.
CancelKey with_hops(CancelKey key, unsigned hops);

}  // namespace weir
