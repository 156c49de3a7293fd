// SipHash-2-4 (Aumasson and Bernstein, 2012): a short hash under a secret key. Who does not know
// the key cannot choose texts that collide, so tables may be keyed by what comes from outside.
// Thread: any (pure function).
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "protocol/base/bytes.h"

namespace weir {

using SipKey = std::array<uint64_t, 2>;

namespace detail {
struct SipState {
    uint64_t v0, v1, v2, v3;

    void round() {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }
    void absorb(uint64_t word) {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    }
};
}  // namespace detail

inline uint64_t siphash(const SipKey& key, ByteView text) {
    detail::SipState state{key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL,
                           key[0] ^ 0x6c7967656e657261ULL, key[1] ^ 0x7465646279746573ULL};
    uint64_t word = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        word |= uint64_t{text[i]} << (i % 8 * 8);
        if (i % 8 != 7) continue;
        state.absorb(word);
        word = 0;
    }
    state.absorb(word | uint64_t{text.size()} << 56);
    state.v2 ^= 0xff;
    for (int i = 0; i < 4; ++i)
        state.round();
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace weir
