// Goal: a cancel key leads to the session that it was given to, for any worker and slot, and
// whatever else arrives is read without harm.
// Method: keys there and back; keys that are not ours; tails of sessions that differ in one thing.
#include "proxy/session/cancel/client_key.h"

#include <doctest/doctest.h>

#include <set>

namespace weir::client_key_test {
namespace {

constexpr SipKey kProcess{0x1122334455667788, 0x99aabbccddeeff00};

TEST_CASE("a client key is read back") {
    for (const uint32_t slot : {0U, 1U, 0x1ffffeU}) {
        for (const WorkerId worker : {WorkerId{0}, WorkerId{63}}) {
            const ClientKey key{worker, slot, 0xfedcba98, "tail", slot};
            const CancelKey cancel = make_cancel_key(key);
            CHECK(cancel.process_id > 0);
            CHECK(cancel.process_id < 0x80000000);
            CHECK(cancel.secret.size() == 8);
            const ClientKey again = parse_client_key(cancel);
            CHECK(again.worker == worker);
            CHECK(again.slot == slot);
            CHECK(again.secret == 0xfedcba98);
            CHECK(again.tail == "tail");
        }
    }
}

TEST_CASE("lives of one slot that follow each other have process ids of their own") {
    std::set<uint32_t> ids;
    for (uint32_t life = 100; life < 116; ++life)
        ids.insert(make_cancel_key({1, 2, 3, {}, life}).process_id);
    CHECK(ids.size() == 16);
}

TEST_CASE("a key of protocol 3.0 is one word") {
    const CancelKey cancel = make_cancel_key({3, 5, 7, {}, 1});
    CHECK(cancel.word() == 0x0860000600000007);
    CHECK(CancelKey::of_word(cancel.word()) == cancel);
    CHECK(cancel.is_set());
    CHECK_FALSE(CancelKey().is_set());
    CHECK(CancelKey().word() == 0);
}

TEST_CASE("a foreign key names somebody, or nobody") {
    CHECK(parse_client_key(CancelKey::of_word(0xffffffffffffffff)).worker == 63);
    CHECK(parse_client_key(CancelKey::of_word(0)).slot == 0xffffffff);
    CHECK(parse_client_key({7, "abc"}).secret == 0);
    CHECK(parse_client_key({7, ""}).tail.empty());
    CHECK(parse_client_key({7, std::string(256, 'x')}).tail.size() == 252);
}

TEST_CASE("each session has a tail of its own") {
    const ClientKey key{1, 2, 3, {}};
    const std::string tail = make_key_tail(kProcess, key, 4);
    CHECK(tail.size() == kKeyTailBytes);
    CHECK(make_key_tail(kProcess, key, 4) == tail);
    CHECK(make_key_tail(kProcess, {1, 2, 3, "other"}, 4) == tail);
    CHECK(make_key_tail(kProcess, key, 5) != tail);
    CHECK(make_key_tail(kProcess, {2, 2, 3, {}}, 4) != tail);
    CHECK(make_key_tail(kProcess, {1, 3, 3, {}}, 4) != tail);
    CHECK(make_key_tail(kProcess, {1, 2, 4, {}}, 4) != tail);
    CHECK(make_key_tail(kProcess, {1, 2, 3, {}, 1}, 4) != tail);
    CHECK(make_key_tail({1, 2}, key, 4) != tail);
    CHECK(tail.substr(0, 8) != tail.substr(8, 8));
}

}  // namespace
}  // namespace weir::client_key_test
