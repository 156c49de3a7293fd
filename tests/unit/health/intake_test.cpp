// Goal: every success and latency arrives exactly once, failures in order and bounded. Method: by
// hand, and with two writers against one reader.
#include "health/intake.h"

#include <doctest/doctest.h>

#include <cmath>
#include <thread>

namespace weir::intake_test {

TEST_CASE("counts arrive once and from all workers") {
    Intake intake(3);
    intake.count_success(0);
    intake.count_login(2);
    intake.count_latency(1, 7);
    intake.count_latency(2, 9);
    const Intake::Batch first = intake.drain();
    CHECK(first.successes == 2);
    CHECK(first.logins == 1);
    CHECK(first.latencies == 2);
    CHECK(first.latency_mean_log == doctest::Approx(8));
    const Intake::Batch second = intake.drain();
    CHECK(second.successes == 0);
    CHECK(second.logins == 0);
    CHECK(second.latencies == 0);
}

TEST_CASE("a latency out of bounds is cut, not spilled into the count") {
    Intake intake(1);
    intake.count_latency(0, -5);
    intake.count_latency(0, 1e9);
    const Intake::Batch batch = intake.drain();
    CHECK(batch.latencies == 2);
    CHECK(batch.latency_mean_log == doctest::Approx(16));
}

TEST_CASE("the sum may carry into the count without harm") {
    Intake intake(1);
    uint64_t seen = 0;
    // 2^40 in units of 1/1024 is reached after 2^25 samples of 32.
    for (int round = 0; round < 40; ++round) {
        for (int i = 0; i < 1'000'000; ++i)
            intake.count_latency(0, 32);
        const Intake::Batch batch = intake.drain();
        seen += batch.latencies;
        REQUIRE(batch.latency_mean_log == doctest::Approx(32));
    }
    CHECK(seen == 40'000'000);
}

TEST_CASE("events keep their order; the first one asks for a wake-up, too many are dropped") {
    Intake intake(1);
    IntakeEvent event;
    for (size_t i = 0; i < Intake::kEventsMax + 5; ++i) {
        event.at = Instant{static_cast<int64_t>(i + 1)};
        CHECK(intake.push(event) == (i == 0));
    }
    const Intake::Batch batch = intake.drain();
    REQUIRE(batch.events.size() == Intake::kEventsMax);
    CHECK(batch.events.front().at.us == 1);
    CHECK(batch.events.back().at.us == static_cast<int64_t>(Intake::kEventsMax));
    CHECK(intake.dropped() == 5);
    CHECK(intake.push(event));
}

TEST_CASE("nothing is lost or torn while workers write and another thread drains") {
    constexpr uint64_t kEach = 200'000;
    Intake intake(2);
    const auto work = [&intake](WorkerId worker) {
        for (uint64_t i = 0; i < kEach; ++i) {
            intake.count_success(worker);
            intake.count_latency(worker, 10);
        }
    };
    std::thread one(work, WorkerId{0});
    std::thread two(work, WorkerId{1});
    uint64_t successes = 0;
    uint64_t latencies = 0;
    while (latencies < 2 * kEach) {
        const Intake::Batch batch = intake.drain();
        successes += batch.successes;
        latencies += batch.latencies;
        if (batch.latencies > 0) REQUIRE(batch.latency_mean_log == doctest::Approx(10));
    }
    one.join();
    two.join();
    CHECK(successes + intake.drain().successes == 2 * kEach);
    CHECK(latencies == 2 * kEach);
}

}  // namespace weir::intake_test
