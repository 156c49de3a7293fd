// Goal: a time is counted in the bucket whose bounds it lies between, whatever it is.
#include <doctest/doctest.h>

#include <cmath>

#include "protocol/base/histogram.h"

namespace weir::histogram_test {
namespace {

using namespace histogram;

// Without a table: the first bound that is not below.
size_t plain_bucket_of(uint64_t us) {
    size_t index = 0;
    while (index<kBounds&& static_cast<double>(us) / 1e6> bound_seconds(index))
        ++index;
    return index;
}

TEST_CASE("the bounds are powers of the square root of two") {
    CHECK(bound_seconds(0) == std::ldexp(1.0, -16));
    CHECK(bound_seconds(32) == 1.0);
    CHECK(bound_seconds(kBounds - 1) == 64.0);
    for (size_t i = 0; i < kBounds; ++i) {
        const double wanted = std::exp2(kFirstPower + static_cast<double>(i) / 2);
        CHECK(bound_seconds(i) == doctest::Approx(wanted).epsilon(1e-12));
    }
}

TEST_CASE("a time is in the bucket that its bounds say, at each bound and beside it") {
    for (uint64_t us = 0; us < 5000; ++us)
        REQUIRE_MESSAGE(bucket_of(us) == plain_bucket_of(us), us);
    for (size_t i = 0; i < kBounds; ++i) {
        for (const uint64_t us : {kBoundsUs[i] - 1, kBoundsUs[i], kBoundsUs[i] + 1})
            REQUIRE_MESSAGE(bucket_of(us) == plain_bucket_of(us), us);
    }
    CHECK(bucket_of(64'000'000) == kBounds - 1);
    CHECK(bucket_of(64'000'001) == kBounds);
    CHECK(bucket_of(UINT64_MAX) == kBounds);
}

TEST_CASE("what is recorded is counted once and summed, and sums of writers are sums") {
    Histogram one;
    one.record(std::chrono::microseconds(10));
    one.record(std::chrono::microseconds(-3));  // of two clocks
    one.record(std::chrono::seconds(100));
    Histogram other;
    other.record(std::chrono::seconds(1));

    HistogramTotals totals;
    totals.add(one);
    totals.add(other);
    CHECK(totals.count() == 4);
    CHECK(totals.sum_us == 101'000'010);
    CHECK(totals.buckets[0] == 2);
    CHECK(totals.buckets[32] == 1);
    CHECK(totals.buckets[kBounds] == 1);
    HistogramTotals twice = totals;
    twice.add(totals);
    CHECK(twice.count() == 8);
    CHECK(twice.sum_us == 202'000'020);
}

TEST_CASE("quantiles are off by less than a fifth") {
    HistogramTotals histogram;
    CHECK(histogram.quantile_us(0.5) == 0);
    for (int us = 1; us <= 100'000; ++us)
        histogram.record(std::chrono::microseconds(us));
    for (const double q : {0.01, 0.5, 0.95, 0.99}) {
        const double wanted = q * 100'000;
        CHECK(static_cast<double>(histogram.quantile_us(q)) ==
              doctest::Approx(wanted).epsilon(0.2));
    }
    HistogramTotals beyond;
    beyond.record(std::chrono::seconds(1000), 3);
    CHECK(beyond.count() == 3);
    CHECK(beyond.sum_us == 3'000'000'000);
    CHECK(beyond.quantile_us(0.5) == 64'000'000);
}

}  // namespace
}  // namespace weir::histogram_test
