// Goal: verdicts never take a role away as a whole. Method: all small counts.
#include "health/ejection_guard.h"

#include <doctest/doctest.h>

#include <vector>

#include "health/read_spill.h"

namespace weir::ejection_guard_test {
namespace {

using enum HealthState;

TEST_CASE("states are counted as eligible, out by verdict, or neither") {
    const std::vector<HealthState> states = {Up,      Degraded, Ejected, HalfOpen,
                                             Lagging, Draining, Down,    Up};
    const RoleCounts counts = count_role(states);
    CHECK(counts.configured == 8);
    CHECK(counts.eligible == 3);
    CHECK(counts.out_by_verdict == 2);
    CHECK(count_role({}).configured == 0);
}

TEST_CASE("the last eligible endpoint is never ejected") {
    const HealthOptions options;
    CHECK_FALSE(may_eject(Up, {.configured = 1, .eligible = 1, .out_by_verdict = 0}, options));
    CHECK_FALSE(
        may_eject(Degraded, {.configured = 5, .eligible = 1, .out_by_verdict = 0}, options));
    CHECK(may_eject(Up, {.configured = 2, .eligible = 2, .out_by_verdict = 0}, options));
    // A lagging one is not eligible itself, but somebody must be.
    CHECK_FALSE(may_eject(Lagging, {.configured = 2, .eligible = 0, .out_by_verdict = 0}, options));
    CHECK(may_eject(Lagging, {.configured = 2, .eligible = 1, .out_by_verdict = 0}, options));
}

TEST_CASE("at most half of a role is out by verdict, but one always may be") {
    HealthOptions options;
    CHECK_FALSE(may_eject(Up, {.configured = 3, .eligible = 2, .out_by_verdict = 1}, options));
    CHECK(may_eject(Up, {.configured = 4, .eligible = 3, .out_by_verdict = 1}, options));
    CHECK_FALSE(may_eject(Up, {.configured = 4, .eligible = 2, .out_by_verdict = 2}, options));
    options.max_ejection_percent = 10;
    CHECK(may_eject(Up, {.configured = 3, .eligible = 3, .out_by_verdict = 0}, options));
    options.max_ejection_percent = 0;
    CHECK_FALSE(may_eject(Up, {.configured = 3, .eligible = 3, .out_by_verdict = 0}, options));
    options.max_ejection_percent = 100;
    CHECK(may_eject(Up, {.configured = 3, .eligible = 2, .out_by_verdict = 1}, options));
    CHECK_FALSE(may_eject(Up, {.configured = 3, .eligible = 1, .out_by_verdict = 2}, options));
}

TEST_CASE("who is out already may be ejected again") {
    CHECK(may_eject(HalfOpen, {.configured = 2, .eligible = 0, .out_by_verdict = 2}, {}));
}

TEST_CASE("panic begins below half and only if a verdict is the reason") {
    HealthOptions options;
    CHECK_FALSE(is_panic({.configured = 4, .eligible = 2, .out_by_verdict = 2}, options));
    CHECK(is_panic({.configured = 4, .eligible = 1, .out_by_verdict = 2}, options));
    CHECK(is_panic({.configured = 1, .eligible = 0, .out_by_verdict = 1}, options));
    CHECK_FALSE(is_panic({.configured = 4, .eligible = 0, .out_by_verdict = 0}, options));
    CHECK_FALSE(is_panic({}, options));
    options.panic_threshold_percent = 0;
    CHECK_FALSE(is_panic({.configured = 4, .eligible = 0, .out_by_verdict = 4}, options));
}

TEST_CASE("panic ignores verdicts, never facts or orders") {
    for (const HealthState state : {Up, Degraded}) {
        CHECK(may_take_work(state, false));
        CHECK(may_take_work(state, true));
    }
    for (const HealthState state : {Ejected, HalfOpen}) {
        CHECK_FALSE(may_take_work(state, false));
        CHECK(may_take_work(state, true));
    }
    for (const HealthState state : {Lagging, Draining, Down}) {
        CHECK_FALSE(may_take_work(state, false));
        CHECK_FALSE(may_take_work(state, true));
    }
}

TEST_CASE("ejecting as long as it is allowed leaves somebody and at most half out") {
    for (uint64_t count = 1; count <= 40; ++count) {
        std::vector<HealthState> states(count, Up);
        for (HealthState& state : states) {
            if (may_eject(state, count_role(states), {})) state = Ejected;
        }
        const RoleCounts counts = count_role(states);
        CHECK(counts.eligible >= 1);
        CHECK(counts.out_by_verdict <= std::max<uint64_t>(count / 2, 1));
        CHECK(counts.out_by_verdict >= (count >= 2 ? 1 : 0));
        CHECK_FALSE(is_panic(counts, {}));
    }
}

TEST_CASE("reads borrow at most their share of the primary's pool") {
    for (uint32_t size = 0; size <= 100; ++size) {
        uint32_t spilled = 0;
        while (may_spill({.primary_pool_size = size, .spilled = spilled, .percent = 30}))
            ++spilled;
        CHECK(spilled == size * 30 / 100);
    }
    CHECK_FALSE(may_spill({.primary_pool_size = 100, .spilled = 0, .percent = 0}));
    CHECK(may_spill({.primary_pool_size = 1, .spilled = 0, .percent = 100}));
    CHECK_FALSE(may_spill({.primary_pool_size = 4'000'000'000, .spilled = 4'294'967'295}));
}

}  // namespace
}  // namespace weir::ejection_guard_test
