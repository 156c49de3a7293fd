// The arithmetic of SCRAM-SHA-256 (RFC 5802 §3 with the hash of RFC 7677), shared by both sides.
// Only this room includes it. Pure functions over OpenSSL; a failure inside OpenSSL (out of memory,
// no provider with SHA-256) leaves nothing sensible to do and aborts.
// Thread: any.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/auth/secret.h"
#include "protocol/base/bytes.h"

namespace weir {

// H(data).
ScramKey sha256(ByteView data);

// HMAC(key, data).
ScramKey hmac_sha256(ByteView key, ByteView data);

// a XOR b, byte by byte.
ScramKey xor_keys(const ScramKey& a, const ScramKey& b);

// ClientKey and ServerKey of a password that saslprep has seen: SaltedPassword = PBKDF2(password,
// salt, iterations), then HMAC with "Client Key" and "Server Key". `salt` is not empty and
// `iterations` is 1 .. 2^31-1 (asserted; callers check what peers sent). The cost grows with
// `iterations`: a millisecond for PostgreSQL's 4096.
ScramKeys derive_scram_keys(std::string_view prepared_password, ByteView salt, uint32_t iterations);

}  // namespace weir
