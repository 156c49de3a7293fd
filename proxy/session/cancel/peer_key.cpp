#include "proxy/session/cancel/peer_key.h"

namespace weir {

namespace {

// The 45 bits are a Feistel network of two unequal parts.
constexpr unsigned kLowBits = 22;
constexpr uint64_t kLowMask = (uint64_t{1} << 22) - 1;
constexpr uint64_t kHighMask = (uint64_t{1} << 23) - 1;
constexpr int kRounds = 8;

constexpr unsigned kPeerSlotBits = 21;
constexpr unsigned kSecretBits = 18;
constexpr uint32_t kPeerSlotMask = (1U << kPeerSlotBits) - 1;
constexpr uint64_t kPeerWorkerMask = 63;
constexpr unsigned kTailBits = 38;  // of the sealed 45: bytes 3 to 7 but for the count of hops
constexpr uint64_t kHopsMask = 3;

uint64_t mix(const SipKey& secret, int round, uint64_t part) {
    uint8_t what[16];
    store_be64(what, static_cast<uint64_t>(round));
    store_be64(what + 8, part);
    return siphash(secret, what);
}

uint64_t seal(const SipKey& secret, uint64_t plain) {
    uint64_t low = plain & kLowMask;
    uint64_t high = plain >> kLowBits;
    for (int round = 0; round < kRounds; round += 2) {
        low ^= mix(secret, round, high) & kLowMask;
        high ^= mix(secret, round + 1, low) & kHighMask;
    }
    return high << kLowBits | low;
}

uint64_t unseal(const SipKey& secret, uint64_t sealed) {
    uint64_t low = sealed & kLowMask;
    uint64_t high = sealed >> kLowBits;
    for (int round = kRounds - 2; round >= 0; round -= 2) {
        high ^= mix(secret, round + 1, low) & kHighMask;
        low ^= mix(secret, round, high) & kLowMask;
    }
    return high << kLowBits | low;
}

}  // namespace

CancelKey make_peer_key(const SipKey& process_secret, int peer_id, const ClientKey& key) {
    const uint64_t plain = (key.worker & kPeerWorkerMask) << (kPeerSlotBits + kSecretBits) |
                           uint64_t{key.slot & kPeerSlotMask} << kSecretBits |
                           (key.secret & kPeerSecretMask);
    const uint64_t sealed = seal(process_secret, plain);
    const auto id = static_cast<uint64_t>(peer_id);
    const uint64_t word = (sealed >> kTailBits) << 56 | (id & 0xff) << 48 | (id >> 8 & 0xff) << 40 |
                          (sealed & ((uint64_t{1} << kTailBits) - 1)) << 2 | kHopsMax;
    CancelKey out = CancelKey::of_word(word);
    out.secret += key.tail;
    return out;
}

ClientKey parse_peer_key(const SipKey& process_secret, const CancelKey& key) {
    const uint64_t word = key.word();
    const uint64_t sealed =
        (word >> 56 & 0x7f) << kTailBits | (word >> 2 & ((uint64_t{1} << kTailBits) - 1));
    const uint64_t plain = unseal(process_secret, sealed);
    ClientKey out;
    out.worker = static_cast<WorkerId>(plain >> (kPeerSlotBits + kSecretBits));
    out.slot = static_cast<uint32_t>(plain >> kSecretBits) & kPeerSlotMask;
    out.secret = static_cast<uint32_t>(plain) & kPeerSecretMask;
    if (key.secret.size() > kCancelSecretBytesMin)
        out.tail = key.secret.substr(kCancelSecretBytesMin);
    return out;
}

int peer_of(const CancelKey& key) {
    const uint64_t word = key.word();
    return static_cast<int>((word >> 48 & 0xff) | (word >> 40 & 0xff) << 8);
}

unsigned hops_left(const CancelKey& key) {
    return static_cast<unsigned>(key.word() & kHopsMask);
}

CancelKey with_hops(CancelKey key, unsigned hops) {
    if (key.secret.size() < kCancelSecretBytesMin) return key;
    char& last = key.secret[kCancelSecretBytesMin - 1];
    last = static_cast<char>((static_cast<unsigned char>(last) & ~kHopsMask) | hops);
    return key;
}

}  // namespace weir
