// Goal: ServerStatements knows what a server has prepared, also when the server skips what was
// sent. Method: by hand, the order of answers as the tracker would give it; then random use beside
// a list.
//
#include "proxy/prepared/server_statements.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <list>

#include "protocol/base/random.h"

namespace weir {
namespace {

constexpr auto kNone = ServerStatements::kNone;

StatementId id_of(uint64_t n) {
    return {{n, ~n}};
}

TEST_CASE("an inserted statement is there, others are not") {
    ServerStatements s;
    CHECK(s.oldest() == kNone);
    CHECK(s.use(id_of(1)) == kNone);
    const auto a = s.insert(id_of(1));
    CHECK(s.use(id_of(1)) == a);
    CHECK(s.contains(id_of(1)));
    CHECK(s.id(a) == id_of(1));
    CHECK(s.use(id_of(2)) == kNone);
    CHECK(s.size() == 1);
}

TEST_CASE("the least recently used statement is the oldest") {
    ServerStatements s;
    const auto a = s.insert(id_of(1));
    const auto b = s.insert(id_of(2));
    const auto c = s.insert(id_of(3));
    CHECK(s.oldest() == a);
    s.use(id_of(1));
    CHECK(s.oldest() == b);
    s.use(id_of(3));
    s.use(id_of(3));
    CHECK(s.oldest() == b);
    s.use(id_of(2));
    CHECK(s.oldest() == a);
    s.begin_close(a);
    CHECK(s.oldest() == c);
}

TEST_CASE("a closed statement is gone at once and its handle later") {
    ServerStatements s;
    const auto a = s.insert(id_of(1));
    s.on_parse_complete(a);
    s.begin_close(a);
    CHECK(s.size() == 0);
    CHECK(s.use(id_of(1)) == kNone);
    const auto b = s.insert(id_of(2));
    CHECK(b != a);  // the answer to the Close will name a
    s.on_close_complete(a);
    CHECK(s.insert(id_of(3)) == a);
    CHECK(s.contains(id_of(2)));
}

TEST_CASE("a Parse that the server skipped is taken back") {
    ServerStatements s;
    const auto a = s.insert(id_of(1));
    const auto b = s.insert(id_of(2));
    s.on_parse_complete(a);
    s.on_parse_dropped(b);
    CHECK(s.contains(id_of(1)));
    CHECK_FALSE(s.contains(id_of(2)));
    CHECK(s.oldest() == a);
    CHECK(s.insert(id_of(2)) == b);
}

TEST_CASE("a Close that the server skipped brings the statement back") {
    ServerStatements s;
    const auto a = s.insert(id_of(1));
    const auto b = s.insert(id_of(2));
    s.on_parse_complete(a);
    s.on_parse_complete(b);
    s.begin_close(a);
    s.on_close_dropped(a);
    CHECK(s.use(id_of(1)) == a);
    CHECK(s.size() == 2);
    CHECK(s.oldest() == b);
}

TEST_CASE("Parse and Close of one batch that were both skipped leave nothing") {
    ServerStatements s;
    const auto a = s.insert(id_of(1));
    s.begin_close(a);
    s.on_parse_dropped(a);
    s.on_close_dropped(a);
    CHECK_FALSE(s.contains(id_of(1)));
    CHECK(s.oldest() == kNone);
    CHECK(s.insert(id_of(2)) == a);
}

TEST_CASE("a Close skipped after its Parse was done brings the statement back") {
    ServerStatements s;
    const auto a = s.insert(id_of(1));
    s.begin_close(a);
    s.on_parse_complete(a);
    s.on_close_dropped(a);
    CHECK(s.contains(id_of(1)));
}

TEST_CASE("a statement closed and parsed again in one batch is there when both are done") {
    ServerStatements s;
    const auto a = s.insert(id_of(1));
    s.on_parse_complete(a);
    s.begin_close(a);
    const auto b = s.insert(id_of(1));
    s.on_close_complete(a);
    s.on_parse_complete(b);
    CHECK(s.use(id_of(1)) == b);
    CHECK(s.size() == 1);
}

TEST_CASE("a statement closed and parsed again is there when the server skipped both") {
    ServerStatements s;
    const auto a = s.insert(id_of(1));
    s.on_parse_complete(a);
    s.begin_close(a);
    const auto b = s.insert(id_of(1));
    s.on_close_dropped(a);
    s.on_parse_dropped(b);
    CHECK(s.contains(id_of(1)));  // the server never saw the Close
}

TEST_CASE("DISCARD ALL forgets what was parsed, not what is on its way") {
    ServerStatements s;
    const auto a = s.insert(id_of(1));
    s.on_parse_complete(a);
    const auto b = s.insert(id_of(2));
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
    const auto a = s.insert(id_of(1));
    s.on_parse_complete(a);
    s.begin_close(a);   // sent behind a DISCARD ALL that is still running
    s.forget_parsed();  // the DISCARD ALL is done
    s.on_close_dropped(a);
    CHECK_FALSE(s.contains(id_of(1)));
}

TEST_CASE("clear forgets everything") {
    ServerStatements s;
    s.insert(id_of(1));
    s.insert(id_of(2));
    s.clear();
    CHECK(s.size() == 0);
    CHECK(s.oldest() == kNone);
    CHECK(s.insert(id_of(1)) == 0);
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
            const auto handle = s.insert(id_of(n));
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
            s.begin_close(handle);
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

}  // namespace
}  // namespace weir
