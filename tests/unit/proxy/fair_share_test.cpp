// Goal: a split is max-min fair, keeps its floors and its reserve, and never exceeds the capacity.
// Method: worked examples, and random demands against the definition of max-min fairness.
#include "proxy/pool/fair_share.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "protocol/base/random.h"

namespace weir::fair_share_test {
namespace {

using Shares = std::vector<uint32_t>;

Shares split(const std::vector<ShareDemand>& demands, ShareOptions options, uint64_t round = 0) {
    Shares shares(demands.size(), 99);
    fair_shares(demands, options, round, shares);
    return shares;
}
std::vector<ShareDemand> wants(const Shares& wanted) {
    std::vector<ShareDemand> demands;
    for (const uint32_t want : wanted)
        demands.push_back({.wanted = want, .pinned = 0, .max = 0});
    return demands;
}
constexpr ShareOptions plain(uint32_t capacity, uint32_t floor = 0) {
    return {.capacity = capacity, .floor = floor, .reserved_percent = 0};
}

TEST_CASE("who wants little gets all of it, the greedy share the rest evenly") {
    CHECK(split(wants({2, 100, 100}), plain(20)) == Shares{2, 9, 9});
    CHECK(split(wants({2, 4, 100}), plain(20)) == Shares{2, 4, 14});
    CHECK(split(wants({100}), plain(20)) == Shares{20});
    CHECK(split({}, plain(20)).empty());
    CHECK(split(wants({5, 5}), plain(0)) == Shares{0, 0});
}

TEST_CASE("what nobody wants is headroom for all, up to their own limits") {
    CHECK(split(wants({2, 4}), plain(20)) == Shares{9, 11});
    std::vector<ShareDemand> demands = wants({2, 4});
    demands[1].max = 5;
    CHECK(split(demands, plain(20)) == Shares{15, 5});
    demands[0].max = 3;
    CHECK(split(demands, plain(20)) == Shares{3, 5});
}

TEST_CASE("odd units go round") {
    CHECK(split(wants({9, 9, 9}), plain(4), 0) == Shares{2, 1, 1});
    CHECK(split(wants({9, 9, 9}), plain(4), 1) == Shares{1, 2, 1});
    CHECK(split(wants({9, 9, 9}), plain(4), 2) == Shares{1, 1, 2});
    CHECK(split(wants({9, 9, 9}), plain(2), UINT64_MAX) == split(wants({9, 9, 9}), plain(2), 0));
}

TEST_CASE("everybody has their floor, also who wants nothing now") {
    CHECK(split(wants({0, 100}), plain(20, 3)) == Shares{3, 17});
    CHECK(split(wants({0, 100, 100}), plain(3, 3)) == Shares{1, 1, 1});
    CHECK(split(wants({2, 100}), plain(10, 4)) == Shares{4, 6});
}

TEST_CASE("a fifth is for pinned sessions alone") {
    std::vector<ShareDemand> demands = wants({100, 100});
    const ShareOptions options{.capacity = 50, .floor = 0, .reserved_percent = 20};
    CHECK(split(demands, options) == Shares{20, 20});
    demands[1].pinned = 6;
    CHECK(split(demands, options) == Shares{20, 26});
    demands[1].pinned = 10;
    CHECK(split(demands, options) == Shares{20, 30});
    // More than the reserve: the others compete for it like any work.
    demands = wants({100, 0});
    demands[1].pinned = 25;
    CHECK(split(demands, options) == Shares{25, 25});
    const ShareOptions odd{.capacity = 50, .floor = 0, .reserved_percent = 500};
    CHECK(split(demands, odd) == Shares{0, 25});
}

TEST_CASE("any split is within the capacity and max-min fair") {
    for (uint64_t seed = 1; seed <= 3000; ++seed) {
        Prng random(seed);
        std::vector<ShareDemand> demands(1 + random.below(12));
        for (ShareDemand& demand : demands) {
            demand.wanted = static_cast<uint32_t>(random.below(40));
            if (random.chance(30)) demand.pinned = static_cast<uint32_t>(random.below(10));
            if (random.chance(30)) demand.max = static_cast<uint32_t>(1 + random.below(30));
        }
        ShareOptions options;
        options.capacity = static_cast<uint32_t>(random.below(200));
        options.floor = static_cast<uint32_t>(random.below(4));
        const bool is_plain = random.chance(50);
        if (is_plain) {
            options.reserved_percent = 0;
            for (ShareDemand& demand : demands)
                demand.pinned = 0;
        }
        const Shares shares = split(demands, options, random.next());
        CAPTURE(seed);
        REQUIRE(std::accumulate(shares.begin(), shares.end(), uint64_t{0}) <= options.capacity);
        for (size_t i = 0; i < shares.size(); ++i) {
            if (demands[i].max > 0) REQUIRE(shares[i] <= demands[i].max);
            if (!is_plain) continue;
            // Who is not satisfied has, to one odd unit, no less than anybody who has more than the
            // floor.
            const uint32_t cap = demands[i].max > 0 ? demands[i].max : UINT32_MAX;
            if (shares[i] >= std::min(demands[i].wanted, cap)) continue;
            for (const uint32_t other : shares)
                REQUIRE(other <= std::max(shares[i], options.floor) + 1);
        }
    }
}

}  // namespace
}  // namespace weir::fair_share_test
