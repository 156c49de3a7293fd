// Goal: ServerStatements knows what a server has prepared, also when the server skips what was
// sent. Method: by hand, the order of answers as the tracker would give it; then random use beside
// a list.
//
#include "proxy/prepared/server_statements.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <list>

#include "protocol/base/random.h"

namespace weir::server_statements_test {
namespace {

constexpr auto kNone = ServerStatements::kNone;

StatementId id_of(uint64_t n) {
    return {{n, ~n}};
}

TEST_CASE("an inserted statement is there, others are not") {
    ServerStatements s;
    CHECK(s.oldest() == kNone);
    CHECK(s.use(id_of(1)) == kNone);
    const auto a = s.insert(id_of(1), 0);
    CHECK(s.use(id_of(1)) == a);
    CHECK(s.contains(id_of(1)));
    CHECK(s.id(a) == id_of(1));
    CHECK(s.use(id_of(2)) == kNone);
    CHECK(s.size() == 1);
}

TEST_CASE("the least recently used statement is the oldest") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 0);
    const auto b = s.insert(id_of(2), 0);
    const auto c = s.insert(id_of(3), 0);
    CHECK(s.oldest() == a);
    s.use(id_of(1));
    CHECK(s.oldest() == b);
    s.use(id_of(3));
    s.use(id_of(3));
    CHECK(s.oldest() == b);
    s.use(id_of(2));
    CHECK(s.oldest() == a);
    s.begin_close(a, 0);
    CHECK(s.oldest() == c);
}

TEST_CASE("a closed statement is gone at once and its handle later") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 0);
    s.on_parse_complete(a);
    s.begin_close(a, 0);
    CHECK(s.size() == 0);
    CHECK(s.use(id_of(1)) == kNone);
    const auto b = s.insert(id_of(2), 0);
    CHECK(b != a);  // the answer to the Close will name a
    s.on_close_complete(a);
    CHECK(s.insert(id_of(3), 0) == a);
    CHECK(s.contains(id_of(2)));
}

TEST_CASE("a Parse that the server skipped is taken back") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 0);
    const auto b = s.insert(id_of(2), 0);
    s.on_parse_complete(a);
    s.on_parse_dropped(b);
    CHECK(s.contains(id_of(1)));
    CHECK_FALSE(s.contains(id_of(2)));
    CHECK(s.oldest() == a);
    CHECK(s.insert(id_of(2), 0) == b);
}

TEST_CASE("a Close that the server skipped brings the statement back") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 0);
    const auto b = s.insert(id_of(2), 0);
    s.on_parse_complete(a);
    s.on_parse_complete(b);
    s.begin_close(a, 0);
    s.on_close_dropped(a);
    CHECK(s.use(id_of(1)) == a);
    CHECK(s.size() == 2);
    CHECK(s.oldest() == b);
}

TEST_CASE("Parse and Close of one batch that were both skipped leave nothing") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 0);
    s.begin_close(a, 0);
    s.on_parse_dropped(a);
    s.on_close_dropped(a);
    CHECK_FALSE(s.contains(id_of(1)));
    CHECK(s.oldest() == kNone);
    CHECK(s.insert(id_of(2), 0) == a);
}

TEST_CASE("a Close skipped after its Parse was done brings the statement back") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 0);
    s.begin_close(a, 0);
    s.on_parse_complete(a);
    s.on_close_dropped(a);
    CHECK(s.contains(id_of(1)));
}

TEST_CASE("a statement closed and parsed again in one batch is there when both are done") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 0);
    s.on_parse_complete(a);
    s.begin_close(a, 0);
    const auto b = s.insert(id_of(1), 0);
    s.on_close_complete(a);
    s.on_parse_complete(b);
    CHECK(s.use(id_of(1)) == b);
    CHECK(s.size() == 1);
}

TEST_CASE("a statement closed and parsed again is there when the server skipped both") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 0);
    s.on_parse_complete(a);
    s.begin_close(a, 0);
    const auto b = s.insert(id_of(1), 0);
    s.on_close_dropped(a);
    s.on_parse_dropped(b);
    CHECK(s.contains(id_of(1)));  // the server never saw the Close
}

TEST_CASE("DISCARD ALL forgets what was parsed, not what is on its way") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 0);
    s.on_parse_complete(a);
    const auto b = s.insert(id_of(2), 0);
    s.forget_parsed();
    CHECK_FALSE(s.contains(id_of(1)));
    CHECK(s.contains(id_of(2)));
    CHECK(s.oldest() == b);
    s.on_parse_complete(b);
    s.forget_parsed();
    CHECK(s.size() == 0);
    CHECK(s.oldest() == kNone);
}

TEST_CASE("a Close that was on its way during DISCARD ALL and is skipped brings nothing back") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 0);
    s.on_parse_complete(a);
    s.begin_close(a, 0);  // sent behind a DISCARD ALL that is still running
    s.forget_parsed();    // the DISCARD ALL is done
    s.on_close_dropped(a);
    CHECK_FALSE(s.contains(id_of(1)));
}

TEST_CASE("a Parse that is not answered is undecided for later batches") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 5);
    CHECK_FALSE(s.is_undecided(id_of(1), a, 5));
    CHECK(s.is_undecided(id_of(1), a, 6));
    s.on_parse_complete(a);
    CHECK_FALSE(s.is_undecided(id_of(1), a, 6));
    const auto b = s.insert(id_of(2), 6);
    s.on_parse_dropped(b);
    CHECK_FALSE(s.is_undecided(id_of(2), s.use(id_of(2)), 7));
}

TEST_CASE("a Close that is not answered is undecided for later batches") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 1);
    s.on_parse_complete(a);
    s.begin_close(a, 5);
    CHECK_FALSE(s.is_undecided(id_of(1), kNone, 5));
    CHECK(s.is_undecided(id_of(1), kNone, 6));
    CHECK_FALSE(s.is_undecided(id_of(2), kNone, 6));
    s.on_close_dropped(a);  // the server still has it
    CHECK_FALSE(s.is_undecided(id_of(1), s.use(id_of(1)), 6));
    s.begin_close(a, 6);
    s.on_close_complete(a);
    CHECK_FALSE(s.is_undecided(id_of(1), s.use(id_of(1)), 7));
}

TEST_CASE("a Close is undecided even when the Parse before it was skipped") {
    ServerStatements s;
    const auto a = s.insert(id_of(1), 1);
    s.begin_close(a, 2);
    s.on_parse_dropped(a);
    CHECK(s.is_undecided(id_of(1), kNone, 3));
    s.on_close_complete(a);
    CHECK_FALSE(s.is_undecided(id_of(1), kNone, 3));
}

TEST_CASE("clear forgets everything") {
    ServerStatements s;
    s.insert(id_of(1), 0);
    s.insert(id_of(2), 0);
    s.begin_close(s.insert(id_of(3), 0), 0);
    s.clear();
    CHECK_FALSE(s.is_undecided(id_of(3), kNone, 1));
    CHECK(s.size() == 0);
    CHECK(s.oldest() == kNone);
    CHECK(s.insert(id_of(1), 0) == 0);
}

TEST_CASE("random use keeps the order of a plain list") {
    Prng prng(13);
    ServerStatements s;
    std::list<uint64_t> model;  // oldest first
    for (int step = 0; step < 20'000; ++step) {
        const uint64_t n = prng.below(30);
        const bool is_there = s.contains(id_of(n));
        if (is_there != (std::find(model.begin(), model.end(), n) != model.end())) FAIL(step);
        if (!is_there) {
            const auto handle = s.insert(id_of(n), 0);
            if (prng.chance(20)) {
                s.on_parse_dropped(handle);
            } else {
                s.on_parse_complete(handle);
                model.push_back(n);
            }
        } else if (prng.chance(70)) {
            s.use(id_of(n));
            model.remove(n);
            model.push_back(n);
        } else {
            const auto handle = s.oldest();
            s.begin_close(handle, 0);
            model.pop_front();
            if (prng.chance(30)) {
                model.push_back(s.id(handle).words[0]);
                s.on_close_dropped(handle);
            } else {
                s.on_close_complete(handle);
            }
        }
        if (s.size() != model.size()) FAIL(step);
        if (!model.empty() && !(s.id(s.oldest()) == id_of(model.front()))) FAIL(step);
    }
}

TEST_CASE("another process goes on with what a server has") {
    ServerStatements s;
    for (uint64_t n = 1; n <= 5; ++n)
        s.on_parse_complete(s.insert(id_of(n), 0));
    s.use(id_of(2));
    const auto closing = s.oldest();
    s.begin_close(closing, 1);
    const auto pending = s.insert(id_of(6), 1);
    ServerStatements other;
    REQUIRE(other.restore(s.save(0), 0));
    CHECK(other.size() == s.size());
    CHECK(other.is_undecided(id_of(6), pending, 2));
    CHECK(other.is_undecided(id_of(1), kNone, 2));
    // The Close was skipped: the statement is there again.
    other.on_close_dropped(closing);
    CHECK(other.use(id_of(1)) == closing);
    std::vector<StatementId> order;
    while (other.size() > 0) {
        order.push_back(other.id(other.oldest()));
        other.begin_close(other.oldest(), 3);
    }
    const std::vector<StatementId> expected{id_of(3), id_of(4), id_of(5),
                                            id_of(2), id_of(6), id_of(1)};
    CHECK(order == expected);
}

TEST_CASE("what is outdated is so in another process, which counts from another number") {
    ServerStatements s;
    const auto before = s.insert(id_of(1), 0, 7);
    const auto now = s.insert(id_of(2), 0, 8);
    ServerStatements other;
    REQUIRE(other.restore(s.save(8), 0));
    CHECK(other.schema(before) != 0);
    CHECK(other.schema(now) == 0);
}

TEST_CASE("what has been parsed since a batch is told, unless it is closed or was skipped") {
    ServerStatements s;
    CHECK_FALSE(s.has_parsed_since(0));
    const auto a = s.insert(id_of(1), 3);
    CHECK(s.has_parsed_since(2));
    CHECK(s.has_parsed_since(3));
    CHECK_FALSE(s.has_parsed_since(4));
    const auto b = s.insert(id_of(2), 5);
    CHECK(s.has_parsed_since(5));
    s.on_parse_dropped(b);
    CHECK_FALSE(s.has_parsed_since(4));
    s.on_parse_complete(a);
    CHECK(s.has_parsed_since(3));
    s.begin_close(a, 6);
    CHECK_FALSE(s.has_parsed_since(0));
}

TEST_CASE("what contradicts itself is refused") {
    ServerStatements s;
    s.insert(id_of(1), 0);
    s.insert(id_of(2), 0);
    const ServerStatements::State right = s.save(0);
    ServerStatements::State wrong = right;
    ServerStatements other;
    CHECK(other.restore(right, 0));
    SUBCASE("an unknown state") {
        wrong.entries[0].state = 9;
    }
    SUBCASE("the same twice") {
        wrong.entries[1].id = wrong.entries[0].id;
    }
    SUBCASE("one that is nowhere in the order") {
        wrong.order.pop_back();
    }
    SUBCASE("one that is in the order twice") {
        wrong.order[1] = wrong.order[0];
    }
    SUBCASE("one that does not exist") {
        wrong.order[1] = 77;
    }
    CHECK_FALSE(other.restore(wrong, 0));
    CHECK(other.size() == 0);
    CHECK(other.oldest() == kNone);
}

}  // namespace
}  // namespace weir::server_statements_test
