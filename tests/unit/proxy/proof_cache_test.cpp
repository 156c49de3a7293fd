// Goal: verdicts are those of the proof, asked once; memory is bounded; the oldest use goes first.
// Method: texts by hand, and many.
#include "proxy/routing/proof_cache.h"

#include <doctest/doctest.h>

#include <string>

namespace weir::proof_cache_test {
namespace {

std::string select(int number) {
    return "SELECT " + std::to_string(number);
}

TEST_CASE("a text is proven once") {
    ProofCache cache;
    const Proof first = cache.proof_of("SELECT 1");
    CHECK(first.is_proven());
    CHECK(cache.proof_of(std::string("SELECT 1")).is_proven());
    CHECK_FALSE(cache.proof_of("SELECT nextval('s')").is_proven());
    CHECK(cache.proof_of("SELECT nextval('s')").detail() == "nextval");
    CHECK(cache.counters().hits == 2);
    CHECK(cache.counters().misses == 2);
    CHECK(cache.size() == 2);
    CHECK(cache.bytes() == 2 * ProofCache::kEntryBytes + 8 + 19);
}

TEST_CASE("texts that differ in a single byte have verdicts of their own") {
    ProofCache cache;
    CHECK(cache.proof_of("SELECT lower('s')").is_proven());
    CHECK_FALSE(cache.proof_of("SELECT lowes('s')").is_proven());
    CHECK(cache.proof_of(std::string_view("SELECT 1\0", 8)).is_proven());
    CHECK_FALSE(cache.proof_of(std::string_view("SELECT 1\0", 9)).is_proven());
    CHECK(cache.size() == 4);
}

TEST_CASE("beyond the number of entries the least recently used goes") {
    ProofCache cache({.entries = 3});
    for (int i = 0; i < 3; ++i)
        CHECK(cache.proof_of(select(i)).is_proven());
    CHECK(cache.proof_of(select(0)).is_proven());
    CHECK(cache.proof_of(select(3)).is_proven());  // instead of 1
    CHECK(cache.size() == 3);
    CHECK(cache.counters().evictions == 1);
    CHECK(cache.counters().hits == 1);
    CHECK(cache.proof_of(select(0)).is_proven());
    CHECK(cache.counters().hits == 2);
    CHECK(cache.proof_of(select(1)).is_proven());
    CHECK(cache.counters().hits == 2);
}

TEST_CASE("bytes are bounded, and one long text does not push out all others") {
    ProofCache cache({.entries = 1000, .bytes = 16 * 1024});
    for (int i = 0; i < 1000; ++i) {
        CHECK(cache.proof_of(select(i)).is_proven());
        CHECK(cache.bytes() <= 16 * 1024);
    }
    const size_t size = cache.size();
    CHECK(size > 50);
    const std::string large = "SELECT 1" + std::string(1024, ' ');
    CHECK(cache.proof_of(large).is_proven());
    CHECK(cache.proof_of(large).is_proven());
    CHECK(cache.size() == size);
}

TEST_CASE("what is too long is not kept, and other limits take effect at once") {
    ProofCache cache({.text_bytes_max = 10});
    CHECK(cache.proof_of("SELECT 1234").reason == ProofReason::TooLong);
    CHECK(cache.size() == 0);
    cache.set_limits({.entries = 2});
    for (int i = 0; i < 5; ++i)
        CHECK(cache.proof_of("SELECT 1234" + select(i).substr(7)).is_proven());
    CHECK(cache.size() == 2);
    cache.set_limits({.entries = 1});
    CHECK(cache.size() == 1);
    cache.set_limits({.entries = 0});
    CHECK(cache.proof_of("SELECT 1").is_proven());
    CHECK(cache.size() == 0);
    CHECK(cache.bytes() == 0);
    cache.set_limits({.text_bytes_max = 10});
    CHECK(cache.proof_of("SELECT 12345").reason == ProofReason::TooLong);
}

}  // namespace
}  // namespace weir::proof_cache_test
