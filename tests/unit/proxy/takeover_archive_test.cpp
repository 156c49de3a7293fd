// Goal: what is written down for another process is read back as it was, also by one that knows
// more or fewer fields; what is malformed is told, and nothing is read outside.
#include <doctest/doctest.h>

#include "protocol/base/random.h"
#include "proxy/takeover/fields.h"

namespace weir::takeover_archive_test {

namespace {

struct Inner {
    std::string name;
    int32_t number = 0;
};
template <typename A>
void fields(A& a, Inner& it) {
    a(1, it.name);
    a(2, it.number);
}

enum class Colour : uint8_t { Red, Green, Blue };

struct Outer {
    bool flag = false;
    uint8_t small = 0;
    int64_t big = 0;
    Instant at;
    Duration time{0};
    std::string text;
    Colour colour = Colour::Red;
    Inner inner;
    std::vector<Inner> list;
    std::vector<uint32_t> numbers;
    std::optional<Inner> maybe;
};
template <typename A>
void fields(A& a, Outer& it) {
    a(1, it.flag);
    a(2, it.small);
    a(3, it.big);
    a(4, it.at);
    a(5, it.time);
    a(6, it.text);
    a.choice(7, it.colour, Colour::Blue);
    a(8, it.inner);
    a(9, it.list);
    a(10, it.numbers);
    a(11, it.maybe);
}

// Of another release: knows fields 1, 6 and one more.
struct Newer {
    bool flag = false;
    std::string text;
    std::string more = "default";
};
template <typename A>
void fields(A& a, Newer& it) {
    a(1, it.flag);
    a(6, it.text);
    a(20, it.more);
}

Outer make_outer() {
    Outer out;
    out.flag = true;
    out.small = 200;
    out.big = -5'000'000'000;
    out.at = Instant{123'456'789};
    out.time = std::chrono::milliseconds(7);
    out.text = std::string("a\0b", 3);
    out.colour = Colour::Blue;
    out.inner = {"inner", -1};
    out.list = {{"one", 1}, {}, {"", 3}};
    out.numbers = {0, 1, 0xffffffff};
    out.maybe = Inner{};
    return out;
}

ByteView view(const std::string& text) {
    return as_bytes(std::string_view(text));
}

}  // namespace

TEST_CASE("archive: every kind of field comes back") {
    const Outer before = make_outer();
    const auto after = read_record<Outer>(view(write_record(before)));
    REQUIRE(after);
    CHECK(after->flag);
    CHECK(after->small == 200);
    CHECK(after->big == before.big);
    CHECK(after->at == before.at);
    CHECK(after->time == before.time);
    CHECK(after->text == before.text);
    CHECK(after->colour == Colour::Blue);
    CHECK(after->inner.name == "inner");
    CHECK(after->inner.number == -1);
    REQUIRE(after->list.size() == 3);
    CHECK(after->list[0].name == "one");
    CHECK(after->list[1].name.empty());
    CHECK(after->list[2].number == 3);
    CHECK(after->numbers == before.numbers);
    CHECK(after->maybe);
}

TEST_CASE("archive: zero and empty cost nothing") {
    CHECK(write_record(Outer{}).empty());
    const auto after = read_record<Outer>({});
    REQUIRE(after);
    CHECK_FALSE(after->maybe);
    CHECK(after->list.empty());
}

TEST_CASE("archive: a reader passes over what it does not know and does without what is missing") {
    const auto newer = read_record<Newer>(view(write_record(make_outer())));
    REQUIRE(newer);
    CHECK(newer->flag);
    CHECK(newer->text == make_outer().text);
    CHECK(newer->more.empty());
    const auto older = read_record<Outer>(view(write_record(Newer{true, "x", "unknown there"})));
    REQUIRE(older);
    CHECK(older->text == "x");
    CHECK(older->big == 0);
}

TEST_CASE("archive: values that do not fit are refused") {
    std::string out;
    ArchiveWriter writer(out);
    SUBCASE("an integer too large") {
        writer(2, uint64_t{256});
    }
    SUBCASE("an unknown word") {
        writer(7, uint32_t{3});
    }
    SUBCASE("an integer of the wrong length") {
        writer(3, std::string("abc"));
    }
    SUBCASE("a list that ends early") {
        writer(10, std::string("\0\0\0\x08zzz", 7));
    }
    SUBCASE("an optional with something behind it") {
        writer(11, std::string("\0\0\0\0z", 5));
    }
    SUBCASE("no fields") {
        out = "nonsense";
    }
    SUBCASE("an unknown field that is cut short") {
        writer(99, std::string("unknown"));
        out.pop_back();
    }
    SUBCASE("an unknown field of a record inside that is cut short") {
        writer(8, std::string("\x63\0\0\0\x08zzz", 8));
    }
    SUBCASE("tags that do not ascend") {
        writer(6, std::string("text"));
        writer(1, true);
    }
    CHECK_FALSE(read_record<Outer>(view(out)));
}

TEST_CASE("archive: every beginning of a record is refused or read, never read past") {
    const std::string whole = write_record(make_outer());
    constexpr size_t kFields = 11;  // a cut before any of them leaves a record with less in it
    size_t refused = 0;
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
        // A copy of its own, so that a sanitizer sees every byte too many.
        const std::vector<uint8_t> part(whole.begin(), whole.begin() + static_cast<long>(bytes));
        if (!read_record<Outer>(part)) ++refused;
    }
    CHECK(refused == whole.size() - kFields);
}

TEST_CASE("archive: a session and a server with everything come back") {
    HandedSession session;
    session.worker = 3;
    session.phase = HandedPhase::Live;
    session.is_waiting = true;
    session.pool_mode = PoolMode::Transaction;
    session.wanted = TargetSessionAttrs::PreferStandby;
    session.cancel_key = {7, "a long secret"};
    session.parser = {'Q', 12345};
    session.held = std::string(100'000, 'x');
    session.named = {{"s1", 1}, {"s2", 2}};
    session.unconfirmed = {{"s3", 9, 1, true}};
    session.parameters = {{"TimeZone", "UTC"}};
    session.login.emplace();
    session.login->wanted = {{"application_name", "x"}};
    const auto other = read_record<HandedSession>(view(write_record(session)));
    REQUIRE(other);
    CHECK(other->phase == HandedPhase::Live);
    CHECK(other->wanted == TargetSessionAttrs::PreferStandby);
    CHECK(other->cancel_key == session.cancel_key);
    CHECK(other->parser.body_left == 12345);
    CHECK(other->held == session.held);
    CHECK(other->named[1].name == "s2");
    CHECK(other->unconfirmed[0].batch == 9);
    REQUIRE(other->login);
    CHECK(other->login->wanted[0].value == "x");

    HandedServer server;
    server.ledger = HandedLedger::Idle;
    server.tracker.status = TransactionStatus::Failed;
    server.tracker.copy = CopyState::Both;
    server.tracker.pending = {{Request::Parse, Origin::Faked, 7}, {Request::Sync, Origin::Client}};
    server.tracker.ready_owed = 1;
    server.statements.entries = {{{{1, 2}}, 5, 1, true, false}};
    server.statements.order = {0};
    const auto another = read_record<HandedServer>(view(write_record(server)));
    REQUIRE(another);
    CHECK(another->ledger == HandedLedger::Idle);
    CHECK(another->tracker.status == TransactionStatus::Failed);
    CHECK(another->tracker.pending[0].statement == 7);
    CHECK(another->tracker.pending[1].statement == PendingReply::kNoStatement);
    CHECK(another->statements.entries[0].id == server.statements.entries[0].id);
}

TEST_CASE("archive: garbage harms nobody") {
    Prng random(7);
    const std::string whole = write_record(make_outer());
    for (int turn = 0; turn < 20'000; ++turn) {
        std::vector<uint8_t> bytes(whole.begin(), whole.end());
        for (uint64_t changes = 1 + random.below(4); changes > 0; --changes)
            bytes[random.below(bytes.size())] = static_cast<uint8_t>(random.below(256));
        (void)read_record<Outer>(bytes);
        (void)read_record<HandedServer>(bytes);
        (void)read_record<HandedSession>(bytes);
    }
    CHECK(read_record<Outer>(view(whole)));
}

}  // namespace weir::takeover_archive_test
