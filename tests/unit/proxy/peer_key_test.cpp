// Goal: a key with a peer id leads to its session, shows the id and the hops where PgBouncer looks
// for them, and gives away neither session nor secret.
// Method: keys there and back; single bits changed; many keys counted.
#include "proxy/session/cancel/peer_key.h"

#include <doctest/doctest.h>

#include <bit>
#include <set>

namespace weir::peer_key_test {
namespace {

constexpr SipKey kProcess{0x1122334455667788, 0x99aabbccddeeff00};

TEST_CASE("a peer key is read back") {
    for (const int peer : {1, 255, 256, 16383}) {
        for (const WorkerId worker : {WorkerId{0}, WorkerId{63}}) {
            for (const uint32_t slot : {0U, 1U, 0x1fffffU}) {
                const CancelKey key =
                    make_peer_key(kProcess, peer, {worker, slot, 0xabcde, "tail"});
                CHECK(peer_of(key) == peer);
                CHECK(hops_left(key) == kHopsMax);
                CHECK(key.process_id < 0x80000000);
                const ClientKey again = parse_peer_key(kProcess, key);
                CHECK(again.worker == worker);
                CHECK(again.slot == slot);
                CHECK(again.secret == (0xabcde & kPeerSecretMask));
                CHECK(again.tail == "tail");
            }
        }
    }
}

TEST_CASE("id and hops stand where PgBouncer has them") {
    const CancelKey key = make_peer_key(kProcess, 0x1234, {1, 2, 3, {}});
    uint8_t bytes[8];
    store_be64(bytes, key.word());
    CHECK(bytes[1] == 0x34);
    CHECK(bytes[2] == 0x12);
    CHECK((bytes[7] & 3) == 3);
    const CancelKey passed_on = with_hops(key, 2);
    CHECK(hops_left(passed_on) == 2);
    CHECK(peer_of(passed_on) == 0x1234);
    CHECK((key.word() ^ passed_on.word()) == 1);
    CHECK(with_hops(passed_on, kHopsMax) == key);
    CHECK(parse_peer_key(kProcess, passed_on).slot == 2);
    CHECK(with_hops({5, ""}, 1) == CancelKey{5, ""});
}

TEST_CASE("neighbours have nothing in common, and every bit counts") {
    std::set<uint64_t> keys;
    for (uint32_t slot = 0; slot < 1000; ++slot)
        keys.insert(make_peer_key(kProcess, 7, {0, slot, 1, {}}).word());
    CHECK(keys.size() == 1000);
    int differing = 0;
    for (uint32_t slot = 0; slot < 999; ++slot) {
        const uint64_t a = make_peer_key(kProcess, 7, {0, slot, 1, {}}).word();
        const uint64_t b = make_peer_key(kProcess, 7, {0, slot + 1, 1, {}}).word();
        differing += std::popcount(a ^ b);
    }
    CHECK(differing > 999 * 18);  // half of 45 in the mean
    CHECK(differing < 999 * 27);
    const ClientKey key{3, 77, 0x1aaaa, {}};
    const uint64_t word = make_peer_key(kProcess, 7, key).word();
    int accepted = 0;
    for (unsigned bit = 2; bit < 63; ++bit) {
        if (bit >= 40 && bit < 56) continue;  // the peer id
        const ClientKey other =
            parse_peer_key(kProcess, CancelKey::of_word(word ^ uint64_t{1} << bit));
        if (other.worker == key.worker && other.slot == key.slot) ++accepted;
    }
    CHECK(accepted == 0);
    CHECK(make_peer_key({1, 2}, 7, key).word() != word);
}

}  // namespace
}  // namespace weir::peer_key_test
