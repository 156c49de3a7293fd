// Goal: the cheapest candidate is chosen, ties and weights share as they should, limits and zones
// are respected, and there is an answer exactly when somebody is eligible.
// Method: hand-made candidates; shares counted over many draws with a seed.
#include "health/selection.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace weir::selection_test {
namespace {

using doctest::Approx;
using enum LoadBalance;

constexpr LoadBalance kMethods[] = {WeightedLeastOutstanding, WeightedRoundRobin, Random, PeakEwma,
                                    First};

Candidate busy(uint32_t in_use, double weight = 1) {
    Candidate candidate;
    candidate.in_use = in_use;
    candidate.weight = weight;
    return candidate;
}

// How often each is chosen in `draws`, as shares.
std::vector<double> shares(const std::vector<Candidate>& candidates, SelectionOptions options,
                           int draws = 60'000) {
    Prng random(11);
    Selector selector(options, candidates.size());
    std::vector<double> chosen(candidates.size());
    for (int i = 0; i < draws; ++i) {
        const auto index = selector.select(candidates, random);
        REQUIRE(index);
        chosen[*index] += 1.0 / draws;
    }
    return chosen;
}

std::optional<size_t> choose(const std::vector<Candidate>& candidates,
                             SelectionOptions options = {}) {
    Prng random(5);
    return Selector(options, candidates.size()).select(candidates, random);
}

TEST_CASE("first: in their order, the next when one is full, drained or not eligible") {
    std::vector<Candidate> candidates(3);
    const SelectionOptions options{.method = First};
    candidates[0].in_use = 100;  // work does not matter
    CHECK(choose(candidates, options) == 0);
    candidates[0].limit = 100;
    CHECK(choose(candidates, options) == 1);
    candidates[1].weight = 0;
    CHECK(choose(candidates, options) == 2);
    candidates[2].is_eligible = false;
    CHECK(choose(candidates, options) == 0);  // full, but there is no other
    candidates[0].is_eligible = false;
    CHECK_FALSE(choose(candidates, options));
}

TEST_CASE("cost is outstanding work plus one, by effective weight") {
    Candidate candidate;
    CHECK(selection_cost(candidate, WeightedLeastOutstanding) == 1);
    candidate.in_use = 3;
    candidate.waiting = 2;
    CHECK(selection_cost(candidate, WeightedLeastOutstanding) == 6);
    candidate.weight = 2;
    candidate.health = 0.5;
    candidate.warm = 0.1;
    CHECK(selection_cost(candidate, WeightedLeastOutstanding) == Approx(60));
    candidate.peak_ewma_us = 1000;
    CHECK(selection_cost(candidate, PeakEwma) == Approx(60'000));
    candidate.in_use = candidate.waiting = UINT32_MAX;
    candidate.health = 0;
    CHECK(selection_cost(candidate, PeakEwma) < 1e20);
}

TEST_CASE("nobody eligible, nobody chosen; one eligible, that one") {
    for (const LoadBalance method : kMethods) {
        for (const uint32_t full_scan_max : {0U, 16U}) {
            const SelectionOptions options{.method = method, .full_scan_max = full_scan_max};
            CHECK_FALSE(choose({}, options));
            Candidate out;
            out.is_eligible = false;
            Candidate weightless;
            weightless.weight = 0;
            CHECK_FALSE(choose({out, weightless}, options));
            CHECK(choose({out, weightless, busy(1000), out}, options) == 2);
            CHECK(choose({busy(0)}, options) == 0);
        }
    }
}

TEST_CASE("the least loaded by weight wins") {
    CHECK(choose({busy(3), busy(1), busy(2)}) == 1);
    CHECK(choose({busy(3, 4.0), busy(1, 1.0), busy(2, 1.0)}) == 0);
    Candidate ill = busy(0);
    ill.health = 0.1;
    CHECK(choose({ill, busy(5)}) == 1);
    CHECK(choose({ill, busy(20)}) == 0);
    Candidate waited_for = busy(1);
    waited_for.waiting = 2;
    CHECK(choose({waited_for, busy(2)}) == 1);
}

TEST_CASE("among candidates of no health at all the load still decides") {
    Candidate ill = busy(5);
    ill.health = 0;
    Candidate iller = busy(4);
    iller.health = 0;
    CHECK(choose({ill, iller}) == 1);
}

TEST_CASE("equal candidates share equally, unless their order counts") {
    for (const LoadBalance method : kMethods) {
        if (method == First) continue;
        for (const uint32_t full_scan_max : {0U, 16U}) {
            for (const double share : shares({busy(2), busy(2), busy(2), busy(2), busy(2)},
                                             {.method = method, .full_scan_max = full_scan_max})) {
                CHECK(share == Approx(0.2).epsilon(0.05));
            }
        }
    }
}

TEST_CASE("round robin and random share by effective weight") {
    Candidate half = busy(0, 2);
    half.health = 0.5;
    half.warm = 0.5;
    for (const LoadBalance method : {WeightedRoundRobin, Random}) {
        const auto found = shares({busy(9, 3), busy(0, 1), half}, {.method = method});
        CHECK(found[0] == Approx(3 / 4.5).epsilon(0.03));
        CHECK(found[1] == Approx(1 / 4.5).epsilon(0.03));
        CHECK(found[2] == Approx(0.5 / 4.5).epsilon(0.03));
    }
}

TEST_CASE("round robin is smooth: the heaviest does not get its turns in one go") {
    Prng random(1);
    Selector selector({.method = WeightedRoundRobin}, 3);
    const std::vector<Candidate> candidates = {busy(0, 5), busy(0, 1), busy(0, 1)};
    std::string turns;
    for (int i = 0; i < 7; ++i)
        turns += static_cast<char>('a' + *selector.select(candidates, random));
    CHECK(std::count(turns.begin(), turns.end(), 'a') == 5);
    CHECK(std::count(turns.begin(), turns.end(), 'b') == 1);
    CHECK(turns.find("aaaa") == std::string::npos);
}

TEST_CASE("round robin does not flood who comes back") {
    Prng random(1);
    Selector selector({.method = WeightedRoundRobin}, 3);
    std::vector<Candidate> candidates = {busy(0), busy(0), busy(0)};
    candidates[1].is_eligible = false;
    for (int i = 0; i < 1000; ++i)
        CHECK(*selector.select(candidates, random) != 1);
    candidates[1].is_eligible = true;
    int in_a_row = 0;
    for (int i = 0; i < 12; ++i)
        in_a_row = *selector.select(candidates, random) == 1 ? in_a_row + 1 : 0;
    CHECK(in_a_row <= 1);
}

TEST_CASE("round robin with more candidates than it remembers still answers") {
    Prng random(1);
    Selector none({.method = WeightedRoundRobin}, 0);
    CHECK(none.select(std::vector<Candidate>{busy(0), busy(0)}, random));
}

TEST_CASE("random with one hopeless candidate still gives it its small share") {
    Candidate ill = busy(0);
    ill.health = 0.01;
    const auto found = shares({ill, busy(0)}, {.method = Random});
    CHECK(found[0] > 0.005);
    CHECK(found[0] < 0.015);
}

TEST_CASE("who is at the connection limit is passed over if another is not") {
    Candidate full = busy(2, 100);
    full.limit = 2;
    for (const LoadBalance method : kMethods) {
        CHECK(choose({full, busy(500)}, {.method = method}) == 1);
        CHECK(choose({full}, {.method = method}) == 0);
        Candidate fuller = full;
        fuller.is_eligible = false;
        CHECK(choose({fuller, full}, {.method = method}) == 1);
    }
}

TEST_CASE("two random choices never take the worse of their two") {
    const SelectionOptions options{.full_scan_max = 0};
    const auto found = shares({busy(9), busy(1), busy(5), busy(5)}, options);
    CHECK(found[0] == 0);                          // it loses against any other
    CHECK(found[1] == Approx(0.5).epsilon(0.03));  // it is among the two in half of all pairs
    CHECK(found[2] == Approx(0.25).epsilon(0.05));
    CHECK(choose({busy(9), busy(1)}, options) == 1);
}

TEST_CASE("seventeen candidates are too many to look at all") {
    std::vector<Candidate> candidates(17, busy(10));
    candidates[3].in_use = 0;
    const auto found = shares(candidates, {});
    CHECK(found[3] == Approx(2.0 / 17).epsilon(0.05));
    candidates.pop_back();
    CHECK(shares(candidates, {}, 100)[3] == Approx(1));
}

Candidate elsewhere(uint32_t in_use) {
    Candidate candidate = busy(in_use);
    candidate.is_local_zone = false;
    return candidate;
}

TEST_CASE("the local zone is preferred until it costs too much") {
    SelectionOptions options;
    options.zone_spill_factor = 2;
    for (const LoadBalance method : kMethods) {
        options.method = method;
        CHECK(choose({busy(1), elsewhere(0)}, options) == 0);  // 2 is not more than twice 1
        CHECK(choose({busy(2), elsewhere(0)}, options) == 1);
        CHECK(choose({busy(9), elsewhere(4)}, options) == 0);
        CHECK(choose({elsewhere(40)}, options) == 0);  // nobody here
        Candidate out = busy(0);
        out.is_eligible = false;
        CHECK(choose({out, elsewhere(40)}, options) == 1);
        CHECK(choose({busy(40)}, options) == 0);  // nobody there
        Candidate full = busy(1);
        full.limit = 1;
        CHECK(choose({full, elsewhere(9)}, options) == 1);
    }
    options = {};
    CHECK(choose({busy(1), elsewhere(0)}, options) == 1);  // zones do not matter
}

TEST_CASE("whatever the candidates, the choice is eligible and there is one if there can be") {
    for (uint64_t seed = 1; seed <= 3000; ++seed) {
        Prng random(seed);
        SelectionOptions options;
        options.method = kMethods[random.below(5)];
        options.full_scan_max = static_cast<uint32_t>(random.below(20));
        options.zone_spill_factor = random.chance(50) ? 1.5 : 0;
        std::vector<Candidate> candidates(random.below(24));
        bool any = false;
        bool any_free = false;
        for (Candidate& candidate : candidates) {
            candidate.in_use = static_cast<uint32_t>(random.below(10));
            candidate.limit = static_cast<uint32_t>(random.below(8));
            candidate.weight = static_cast<double>(random.below(4));
            candidate.health = static_cast<double>(random.below(11)) / 10;
            candidate.is_eligible = random.chance(60);
            candidate.is_local_zone = random.chance(50);
            if (!candidate.is_eligible || candidate.weight <= 0) continue;
            any = true;
            if (candidate.limit == 0 || candidate.in_use < candidate.limit) any_free = true;
        }
        Selector selector(options, 24);
        for (int i = 0; i < 5; ++i) {
            const auto chosen = selector.select(candidates, random);
            CAPTURE(seed);
            REQUIRE(chosen.has_value() == any);
            if (!chosen) continue;
            const Candidate& candidate = candidates[*chosen];
            REQUIRE(candidate.is_eligible);
            REQUIRE(candidate.weight > 0);
            if (any_free) REQUIRE((candidate.limit == 0 || candidate.in_use < candidate.limit));
        }
    }
}

TEST_CASE("judge() says of each candidate whether select() may choose it") {
    Prng random(23);
    for (int round = 0; round < 400; ++round) {
        SelectionOptions options;
        options.method = kMethods[random.below(5)];
        options.full_scan_max = random.below(2) == 0 ? 0 : 16;
        options.zone_spill_factor = random.below(2) == 0 ? 0 : 2;
        std::vector<Candidate> candidates(1 + random.below(5));
        for (Candidate& candidate : candidates) {
            candidate.in_use = static_cast<uint32_t>(random.below(4));
            candidate.weight = static_cast<double>(random.below(3));
            candidate.limit = static_cast<uint32_t>(random.below(3));
            candidate.peak_ewma_us = static_cast<double>(1 + random.below(2)) * 1000;
            candidate.is_local_zone = random.below(2) == 0;
            candidate.is_eligible = random.below(4) != 0;
        }
        Selector selector(options, candidates.size());
        std::vector<Standing> standings(candidates.size());
        selector.judge(candidates, standings);
        std::vector<bool> was_chosen(candidates.size());
        for (int draw = 0; draw < 300; ++draw) {
            if (const auto index = selector.select(candidates, random)) was_chosen[*index] = true;
        }
        for (size_t i = 0; i < candidates.size(); ++i) {
            CAPTURE(round);
            CAPTURE(i);
            CHECK(was_chosen[i] == (standings[i] == Standing::MayBeChosen));
        }
    }
}

TEST_CASE("judge() says why one is not chosen") {
    std::vector<Candidate> candidates = {busy(0), busy(1), busy(9), busy(0), busy(1)};
    candidates[0].is_eligible = false;
    candidates[2].limit = 9;
    candidates[3].is_local_zone = false;
    candidates[4].weight = 0.5;
    std::vector<Standing> standings(candidates.size());
    Selector({.zone_spill_factor = 3}, candidates.size()).judge(candidates, standings);
    CHECK(standings == std::vector<Standing>{Standing::NotEligible, Standing::MayBeChosen,
                                             Standing::AtLimit, Standing::OtherZone,
                                             Standing::Dearer});
}

}  // namespace
}  // namespace weir::selection_test
