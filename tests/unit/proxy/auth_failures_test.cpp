// Goal: wrong passwords are counted by address and user, exactly and in bounded memory. Method:
// one table, and a clock by hand.
#include "proxy/limits/auth_failures.h"

#include <doctest/doctest.h>

#include <thread>

namespace weir::auth_failures_test {
namespace {

constexpr Instant kStart{1'000'000'000};
constexpr AuthFailureLimit kThree{3, std::chrono::seconds(60)};

Instant at(double seconds) {
    return kStart + std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

// Seconds until `key` may try again; -1 = now.
double left(AuthFailures& failures, std::string_view key, double now,
            const AuthFailureLimit& limit = kThree) {
    const auto time = failures.suspended(key, at(now), limit);
    return time ? static_cast<double>(time->count()) / 1e6 : -1;
}

AddressBytes v4(uint8_t last) {
    const std::array<uint8_t, 4> bytes{10, 0, 0, last};
    return AddressBytes::from(std::span<const uint8_t, 4>(bytes));
}

AddressBytes v6(uint8_t network, uint8_t host) {
    std::array<uint8_t, 16> bytes{0x20, 0x01};
    bytes[7] = network;
    bytes[15] = host;
    return AddressBytes::from(std::span<const uint8_t, 16>(bytes));
}

TEST_CASE("after so many failures in a window nobody may try until it ends") {
    AuthFailures failures;
    for (int i = 0; i < 3; ++i) {
        CHECK(left(failures, "a", i) == -1);
        failures.failed("a", at(i), kThree);
    }
    CHECK(left(failures, "a", 2) == 58);
    CHECK(left(failures, "a", 59.5) == 0.5);
    CHECK(left(failures, "b", 2) == -1);
    CHECK(left(failures, "a", 60) == -1);
    // A new window begins with the next failure.
    failures.failed("a", at(100), kThree);
    CHECK(left(failures, "a", 100) == -1);
    failures.failed("a", at(159), kThree);
    failures.failed("a", at(159.5), kThree);
    CHECK(left(failures, "a", 159.5) == 0.5);
}

TEST_CASE("failures that are too old do not count with new ones") {
    AuthFailures failures;
    failures.failed("a", at(0), kThree);
    failures.failed("a", at(1), kThree);
    failures.failed("a", at(61), kThree);
    CHECK(left(failures, "a", 61) == -1);
}

TEST_CASE("tries that come at once do not make the window longer") {
    AuthFailures failures;
    for (int i = 0; i < 10; ++i)
        failures.failed("a", at(i), kThree);
    CHECK(left(failures, "a", 10) == 50);
}

TEST_CASE("a right password forgets the wrong ones") {
    AuthFailures failures;
    failures.failed("a", at(0), kThree);
    failures.failed("a", at(0), kThree);
    failures.forget("a");
    failures.forget("never seen");
    CHECK(failures.totals().keys == 0);
    failures.failed("a", at(1), kThree);
    CHECK(left(failures, "a", 1) == -1);
}

TEST_CASE("a reload may change the limit") {
    AuthFailures failures;
    for (int i = 0; i < 3; ++i)
        failures.failed("a", at(0), kThree);
    CHECK(left(failures, "a", 1, {4, std::chrono::seconds(60)}) == -1);
    CHECK(left(failures, "a", 1, {3, std::chrono::seconds(10)}) == 9);
    CHECK(left(failures, "a", 1, {0, std::chrono::seconds(60)}) == -1);
}

TEST_CASE("off, only the total is counted") {
    AuthFailures failures;
    failures.failed("a", at(0), {0, std::chrono::seconds(60)});
    CHECK(failures.totals().keys == 0);
    CHECK(failures.totals().failed == 1);
}

TEST_CASE("a key is an address and a user") {
    CHECK(AuthFailures::key_of(v4(1), "app") == "address=10.0.0.1 user=app");
    CHECK(AuthFailures::key_of(v6(1, 5), "app") == "address=2001:0:0:1::/64 user=app");
    CHECK(AuthFailures::key_of(v6(1, 5), "app") == AuthFailures::key_of(v6(1, 6), "app"));
    CHECK(AuthFailures::key_of(v6(1, 5), "app") != AuthFailures::key_of(v6(2, 5), "app"));
    CHECK(AuthFailures::key_of(AddressBytes(), "app") == "address=unix user=app");
}

TEST_CASE("the table is bounded, and noise does not wash out a key under attack") {
    AuthFailures failures;
    for (int i = 0; i < 3; ++i)
        failures.failed("target", at(0), kThree);
    failures.failed("nearly", at(0), kThree);
    failures.failed("nearly", at(0), kThree);
    const size_t noise = AuthFailures::kKeysMax * 4;
    for (size_t i = 0; i < noise; ++i)
        failures.failed("noise" + std::to_string(i), at(1), kThree);
    CHECK(left(failures, "target", 1) == 59);
    failures.failed("nearly", at(1), kThree);
    CHECK(left(failures, "nearly", 1) == 59);
    const AuthFailures::Totals totals = failures.totals();
    CHECK(totals.keys <= AuthFailures::kKeysMax);
    CHECK(totals.overflows >= noise - AuthFailures::kKeysMax);
    // Windows that are over make room without being missed.
    for (size_t i = 0; i < 100; ++i)
        failures.failed("late" + std::to_string(i), at(100), kThree);
    CHECK(failures.totals().overflows == totals.overflows);
}

TEST_CASE("what came of it is counted") {
    AuthFailures failures;
    failures.failed("a", at(0), kThree);
    failures.note_delayed();
    failures.note_refused("a", at(0), kThree);
    failures.note_refused("a", at(0), kThree);
    const AuthFailures::Totals totals = failures.totals();
    CHECK(totals.failed == 1);
    CHECK(totals.delayed == 1);
    CHECK(totals.refused == 2);
    CHECK(totals.keys == 1);
    CHECK(kThree.text() == "3 failures in 60 s");
}

TEST_CASE("threads may fail at the same time") {
    AuthFailures failures;
    constexpr AuthFailureLimit kMany{4000, std::chrono::seconds(60)};
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&failures] {
            for (int i = 0; i < 1000; ++i) {
                failures.failed("a", at(0), {4000, std::chrono::seconds(60)});
                (void)failures.suspended("b", at(0), kThree);
            }
        });
    }
    threads.clear();
    CHECK(left(failures, "a", 0, kMany) == 60);
    CHECK(left(failures, "a", 0, {4001, kMany.window}) == -1);
}

}  // namespace
}  // namespace weir::auth_failures_test
