// CancelKey: what BackendKeyData gives to a client and CancelRequest brings back: the number of a
// process and a secret. Protocol 3.0 has secrets of 4 bytes, 3.2 of 4 to 256 (PostgreSQL
// documentation, Message Formats). Thread: any (values).
#pragma once

#include <cstdint>
#include <string>

#include "protocol/base/bytes.h"

namespace weir {

constexpr size_t kCancelSecretBytesMin = 4;
constexpr size_t kCancelSecretBytesMax = 256;

struct CancelKey {
    uint32_t process_id = 0;
    std::string secret;  // empty = there is no key; raw bytes

    [[nodiscard]] bool is_set() const { return !secret.empty(); }
    // The process id and the first four bytes of the secret in one word: all there is of a key of
    // protocol 3.0.
    [[nodiscard]] uint64_t word() const {
        if (secret.size() < kCancelSecretBytesMin) return uint64_t{process_id} << 32;
        return uint64_t{process_id} << 32 | load_be32(as_bytes(secret).data());
    }
    // The reverse: a key of protocol 3.0.
    static CancelKey of_word(uint64_t word) {
        CancelKey key;
        key.process_id = static_cast<uint32_t>(word >> 32);
        key.secret.resize(kCancelSecretBytesMin);
        store_be32(reinterpret_cast<uint8_t*>(key.secret.data()), static_cast<uint32_t>(word));
        return key;
    }

    friend bool operator==(const CancelKey&, const CancelKey&) = default;
};

}  // namespace weir
