// Goal: the sessions, pools, servers and cancels of several workers do right by every client,
// whatever order things happen in. Method: many small worlds, one per seed, each with its own
// limits, faults and clients (tests/support/sim_world.h); WEIR_SIM_SEED=n replays one.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "tests/support/sim_world.h"

namespace weir::sim {

namespace {

constexpr uint64_t kFirstSeed = 20'000;

struct Totals {
    uint64_t worlds = 0, steps = 0, answers = 0, leaks = 0, takeovers = 0;
};

bool run_seed(uint64_t seed, Totals& totals) {
    auto world = std::make_unique<SimWorld>(seed);
    const bool is_right = world->run();
    ++totals.worlds;
    totals.steps += world->steps();
    totals.answers += world->answers();
    totals.leaks += world->leaks();
    totals.takeovers += world->takeovers();
    // A world that failed half-way cannot be taken down in order.
    if (!is_right) (void)world.release();
    return is_right;
}

}  // namespace

TEST_CASE("every client of every small world is served rightly") {
    Totals totals;
    if (const char* seed = std::getenv("WEIR_SIM_SEED")) {
        CHECK(run_seed(std::strtoull(seed, nullptr, 10), totals));
        return;
    }
    const char* limit = std::getenv("WEIR_SIM_SECONDS");
    const std::chrono::seconds seconds(limit == nullptr ? 15 : std::atoi(limit));
    const auto start = std::chrono::steady_clock::now();
    for (uint64_t seed = kFirstSeed; std::chrono::steady_clock::now() - start < seconds; ++seed) {
        if (!run_seed(seed, totals)) {
            FAIL_CHECK("seed " << seed);
            break;
        }
    }
    CHECK(totals.leaks > 0);  // there are plenty, so that to find none is a fault, too
    CHECK(totals.takeovers > 0);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    std::printf(
        "sim: %llu worlds, %llu steps, %llu answers, %llu leaks, %llu takeovers, %.0f steps per "
        "second\n",
        static_cast<unsigned long long>(totals.worlds),
        static_cast<unsigned long long>(totals.steps),
        static_cast<unsigned long long>(totals.answers),
        static_cast<unsigned long long>(totals.leaks),
        static_cast<unsigned long long>(totals.takeovers),
        static_cast<double>(totals.steps) / spent.count());
}

}  // namespace weir::sim
