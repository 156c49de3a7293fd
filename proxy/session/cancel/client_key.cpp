#include "proxy/session/cancel/client_key.h"

namespace weir {

namespace {

constexpr unsigned kSlotBits = 21;
constexpr unsigned kWorkerBits = 6;
constexpr unsigned kLifeBits = 4;
constexpr uint32_t kSlotMask = (1U << kSlotBits) - 1;
constexpr uint32_t kWorkerMask = (1U << kWorkerBits) - 1;
constexpr uint32_t kLifeMask = (1U << kLifeBits) - 1;
static_assert(kMaxWorkers <= kWorkerMask + 1);
static_assert(kLifeBits + kWorkerBits + kSlotBits == 31);

}  // namespace

CancelKey make_cancel_key(const ClientKey& key) {
    const uint32_t process_id = (key.life & kLifeMask) << (kWorkerBits + kSlotBits) |
                                (key.worker & kWorkerMask) << kSlotBits |
                                ((key.slot + 1) & kSlotMask);
    CancelKey out = CancelKey::of_word(uint64_t{process_id} << 32 | key.secret);
    out.secret += key.tail;
    return out;
}

ClientKey parse_client_key(const CancelKey& key) {
    ClientKey out;
    out.worker = static_cast<WorkerId>(key.process_id >> kSlotBits & kWorkerMask);
    out.slot = (key.process_id & kSlotMask) - 1;
    out.life = key.process_id >> (kWorkerBits + kSlotBits);
    out.secret = static_cast<uint32_t>(key.word());
    if (key.secret.size() > kCancelSecretBytesMin)
        out.tail = key.secret.substr(kCancelSecretBytesMin);
    return out;
}

std::string make_key_tail(const SipKey& process_secret, const ClientKey& key, uint64_t id) {
    const uint64_t word = make_cancel_key({key.worker, key.slot, key.secret, {}, key.life}).word();
    std::string out(kKeyTailBytes, '\0');
    for (size_t at = 0; at < kKeyTailBytes; at += 8) {
        uint8_t what[24];
        store_be64(what, at);
        store_be64(what + 8, word);
        store_be64(what + 16, id);
        store_be64(reinterpret_cast<uint8_t*>(out.data()) + at, siphash(process_secret, what));
    }
    return out;
}

}  // namespace weir
