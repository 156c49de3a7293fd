// Goal: a text is interned once, lives while somebody refers to it, and stays for a while after;
// its name on servers is the same on every machine for ever.
// Method: by hand at the bounds of the shelf; the name is compared with SHA-256 made elsewhere.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "protocol/base/random.h"
#include "proxy/prepared/statement.h"

namespace weir::statement_cache_test {
namespace {

using std::string_literals::operator""s;
using std::string_view_literals::operator""sv;

std::string_view name_of(const Statement& statement) {
    return statement.name_view();
}

TEST_CASE("a statement is named by the first 128 bits of its SHA-256") {
    // printf 'select 1\0\0\0' | sha256sum
    const std::string text = "select 1\0\0\0"s;
    const ServerName name = server_name(statement_id(as_bytes(text)));
    CHECK(std::string_view(name.data(), name.size()) == "weir_7564e853d733d68343faa17c9a203410");
    const ServerName empty = server_name(statement_id({}));
    CHECK(std::string_view(empty.data(), empty.size()) == "weir_e3b0c44298fc1c149afbf4c8996fb924");
    const StatementId id{{0x0123456789abcdef, 0xfedcba9876543210}};
    const ServerName digits = server_name(id);
    CHECK(std::string_view(digits.data(), digits.size()) ==
          "weir_0123456789abcdeffedcba9876543210");
}

TEST_CASE("types are part of what a statement is") {
    CHECK_FALSE(statement_id(as_bytes("a\0\0\0"s)) == statement_id(as_bytes("a\0\0\1\0\0\0\27"s)));
    CHECK(statement_id(as_bytes("a\0\0\0"s)) == statement_id(as_bytes("a\0\0\0"s)));
}

TEST_CASE("a statement knows whether it makes the server forget") {
    StatementCache cache;
    CHECK(cache.acquire(as_bytes("DISCARD ALL\0\0\0"s), false).effects.may_forget);
    CHECK_FALSE(cache.acquire(as_bytes("select 1\0\0\0"s), false).effects.may_forget);
    CHECK(cache.acquire(as_bytes("set timezone = 0\0\0\0"s), false).effects.may_set);
    CHECK_FALSE(cache.acquire(as_bytes("select 1\0\0\0"s), false).effects.may_set);
    CHECK(cache.acquire(as_bytes("select 1\0\0\0"s), true).sql() == "select 1");
}

TEST_CASE("the same text is the same statement") {
    StatementCache cache;
    Statement& a = cache.acquire(as_bytes("text"), false);
    Statement& b = cache.acquire(as_bytes("text"), false);
    Statement& c = cache.acquire(as_bytes("other"), false);
    CHECK(&a == &b);
    CHECK(&a != &c);
    CHECK(a.references == 2);
    CHECK(cache.size() == 2);
    CHECK(cache.bytes() == 9);
}

TEST_CASE("a name is made when it is needed first") {
    StatementCache cache;
    Statement& a = cache.acquire(as_bytes("text"), false);
    CHECK_FALSE(a.is_named);
    cache.acquire(as_bytes("text"), true);
    CHECK(a.is_named);
    CHECK(a.id == statement_id(as_bytes("text")));
    CHECK(name_of(a).size() == kServerNameBytes);
    CHECK(name_of(a).substr(0, 5) == "weir_");
}

TEST_CASE("a released statement comes back from the shelf") {
    StatementCache cache;
    Statement& a = cache.acquire(as_bytes("text"), true);
    cache.release(a);
    CHECK(cache.size() == 1);
    CHECK(&cache.acquire(as_bytes("text"), false) == &a);
    CHECK(a.references == 1);
    CHECK(a.is_named);
    cache.reference(a);
    CHECK(a.references == 2);
    cache.release(a);
    cache.release(a);
    cache.reference(a);
    CHECK(a.references == 1);
}

TEST_CASE("the shelf is bounded by number, the oldest go first") {
    StatementCache cache;
    Statement& kept = cache.acquire(as_bytes("kept"), false);
    for (int i = 0; i < 1500; ++i)
        cache.release(cache.acquire(as_bytes("s" + std::to_string(i)), false));
    CHECK(cache.size() == 1025);
    CHECK(kept.references == 1);
    const size_t bytes = cache.bytes();
    cache.acquire(as_bytes("s1499"), false);
    CHECK(cache.bytes() == bytes);  // still there
    cache.acquire(as_bytes("s475"), false);
    CHECK(cache.bytes() == bytes + 4);  // was gone: the 1024 last were kept
}

TEST_CASE("the shelf is bounded by bytes, however few they are") {
    StatementCache cache;
    const std::string big(3 * 1024 * 1024, 'x');
    Statement& a = cache.acquire(as_bytes(big + "a"), false);
    Statement& b = cache.acquire(as_bytes(big + "b"), false);
    cache.release(a);
    CHECK(cache.size() == 2);
    cache.release(b);
    CHECK(cache.size() == 1);
    CHECK(cache.bytes() == big.size() + 1);
    Statement& huge = cache.acquire(as_bytes(big + big), false);
    cache.release(huge);
    CHECK(cache.bytes() <= 4 * 1024 * 1024);
}

TEST_CASE("random use keeps the counts right") {
    Prng prng(12);
    StatementCache cache;
    std::vector<Statement*> held;
    for (int step = 0; step < 50'000; ++step) {
        if (held.empty() || prng.chance(50)) {
            const std::string text = "t" + std::to_string(prng.below(3000));
            Statement& statement = cache.acquire(as_bytes(text), prng.chance(10));
            if (statement.text_and_types != text || statement.references == 0) FAIL(step);
            held.push_back(&statement);
        } else {
            const size_t at = prng.below(held.size());
            cache.release(*held[at]);
            held[at] = held.back();
            held.pop_back();
        }
        if (cache.size() > held.size() + 1024) FAIL(step);
    }
    for (Statement* statement : held)
        cache.release(*statement);
    CHECK(cache.size() <= 1024);
}

TEST_CASE("the same text under other settings is another statement") {
    StatementCache cache;
    Statement& plain = cache.acquire(as_bytes("select 1\0\0\0"s), true);
    Statement& utc = cache.acquire(as_bytes("select 1\0\0\0"s), true, "UTC\0"sv);
    Statement& tokyo = cache.acquire(as_bytes("select 1\0\0\0"s), true, "Asia/Tokyo\0"sv);
    CHECK(&cache.acquire(as_bytes("select 1\0\0\0"s), true, "UTC\0"sv) == &utc);
    CHECK(cache.size() == 3);
    CHECK_FALSE(utc.id == tokyo.id);
    CHECK_FALSE(utc.id == plain.id);
    for (const Statement* statement : {&plain, &utc, &tokyo}) {
        CHECK(statement->text_and_types == "select 1\0\0\0"sv);
        CHECK(statement->sql() == "select 1");
    }
    CHECK(tokyo.settings == "Asia/Tokyo\0"sv);
    cache.release(utc);
    for (Statement* statement : {&plain, &utc, &tokyo})
        cache.release(*statement);
}

}  // namespace
}  // namespace weir::statement_cache_test
