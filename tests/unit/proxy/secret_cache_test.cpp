// Goal: a secret is kept for its time and no longer, and the cache stays bounded. Method: time
// passed in.
#include "proxy/auth/secret_cache.h"

#include <doctest/doctest.h>

namespace weir::secret_cache_test {
namespace {

using std::chrono::seconds;

constexpr Duration kTtl = seconds(10);

Instant at(int64_t s) {
    return Instant{s * 1'000'000};
}

std::string found(SecretCache& cache, const SecretKey& key, Instant now, Duration ttl = kTtl) {
    const auto secret = cache.find(key, now, ttl);
    return secret ? std::string(secret->view()) : "none";
}

TEST_CASE("a secret is found until its time is over") {
    SecretCache cache;
    cache.put({"db", "jane"}, SecretString("one"), at(100));
    CHECK(found(cache, {"db", "jane"}, at(100)) == "one");
    CHECK(found(cache, {"db", "jane"}, at(109)) == "one");
    CHECK(found(cache, {"other", "jane"}, at(100)) == "none");
    CHECK(found(cache, {"db", "joe"}, at(100)) == "none");
    CHECK(found(cache, {"db", "jane"}, at(110)) == "none");
    CHECK(cache.size() == 0);
}

TEST_CASE("a time of zero finds nothing") {
    SecretCache cache;
    cache.put({"db", "jane"}, SecretString("one"), at(100));
    CHECK(found(cache, {"db", "jane"}, at(100), Duration(0)) == "none");
}

TEST_CASE("what is found again replaces the older one and begins a new time") {
    SecretCache cache;
    cache.put({"db", "jane"}, SecretString("one"), at(100));
    cache.put({"db", "jane"}, SecretString("two"), at(105));
    CHECK(cache.size() == 1);
    CHECK(found(cache, {"db", "jane"}, at(114)) == "two");
}

TEST_CASE("the one used longest ago makes room") {
    SecretCache cache(2);
    cache.put({"db", "a"}, SecretString("a"), at(100));
    cache.put({"db", "b"}, SecretString("b"), at(101));
    CHECK(found(cache, {"db", "a"}, at(102)) == "a");
    cache.put({"db", "c"}, SecretString("c"), at(103));
    CHECK(cache.size() == 2);
    CHECK(found(cache, {"db", "a"}, at(104)) == "a");
    CHECK(found(cache, {"db", "b"}, at(104)) == "none");
    CHECK(found(cache, {"db", "c"}, at(104)) == "c");
}

TEST_CASE("one is forgotten, or all") {
    SecretCache cache;
    cache.put({"db", "a"}, SecretString("a"), at(100));
    cache.put({"db", "b"}, SecretString("b"), at(100));
    cache.forget({"db", "a"});
    cache.forget({"db", "nobody"});
    CHECK(found(cache, {"db", "a"}, at(101)) == "none");
    CHECK(found(cache, {"db", "b"}, at(101)) == "b");
    cache.clear();
    CHECK(cache.size() == 0);
    CHECK(found(cache, {"db", "b"}, at(101)) == "none");
}

}  // namespace
}  // namespace weir::secret_cache_test
