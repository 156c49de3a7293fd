// Goal: each key has its own limit, memory is bounded, and what is forgotten is counted.
// Method: keys by hand and by seed, a model of plain cells, real threads.
#include "proxy/limits/rate_table.h"

#include <doctest/doctest.h>

#include <map>
#include <thread>

#include "protocol/base/random.h"

namespace weir::rate_table_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{1'000'000'000};

TEST_CASE("keys do not share a limit") {
    RateTable table(1000);
    const GcraLimit limit = GcraLimit::of(1, seconds(1), 2);
    for (uint64_t key = 0; key < 100; ++key) {
        const uint64_t hash = Prng(key).next();
        CHECK(table.decide(hash, kStart, limit).is_allowed);
        CHECK(table.decide(hash, kStart, limit).is_allowed);
        CHECK(table.decide(hash, kStart, limit).retry_after == seconds(1));
    }
    CHECK(table.size() == 100);
    CHECK(table.overflows() == 0);
    CHECK(table.capacity() >= 1000);
}

TEST_CASE("key zero is a key, and no limit makes no entry") {
    RateTable table(8, 1);
    CHECK(table.decide(7, kStart, {}).is_allowed);
    CHECK(table.size() == 0);
    const GcraLimit limit = GcraLimit::of(1, seconds(1), 1);
    CHECK(table.decide(0, kStart, limit).is_allowed);
    CHECK_FALSE(table.decide(0, kStart, limit).is_allowed);
    CHECK(table.size() == 1);
}

TEST_CASE("a delay is passed on to the cell") {
    RateTable table(8, 1);
    const GcraLimit limit = GcraLimit::of(1, seconds(1), 1);
    CHECK(table.decide(1, kStart, limit).is_allowed);
    const GcraDecision delayed = table.decide(1, kStart, limit, 1, seconds(1));
    CHECK(delayed.is_allowed);
    CHECK(delayed.retry_after == seconds(1));
    CHECK_FALSE(table.decide(1, kStart, limit, 1, seconds(1)).is_allowed);
}

TEST_CASE("spent cells are replaced first and cost nothing, live ones only when all are live") {
    RateTable table(8, 1);
    REQUIRE(table.capacity() == 8);
    const GcraLimit limit = GcraLimit::of(1, seconds(10), 1);
    for (uint64_t key = 1; key <= 8; ++key)
        CHECK(table.decide(key, kStart + seconds(key), limit).is_allowed);
    // At 12 s the first has been spent, although the second was used longest ago of the live ones.
    CHECK(table.decide(9, kStart + seconds(12), limit).is_allowed);
    CHECK(table.overflows() == 0);
    CHECK_FALSE(table.decide(8, kStart + seconds(12), limit).is_allowed);
    CHECK(table.decide(10, kStart + milliseconds(12'001), limit).is_allowed);  // takes the second's
    CHECK(table.overflows() == 0);
    CHECK(table.decide(11, kStart + milliseconds(12'002), limit)
              .is_allowed);  // the third still lives
    CHECK(table.overflows() == 1);
    CHECK(
        table.decide(3, kStart + milliseconds(12'003), limit).is_allowed);  // forgotten: new burst
    CHECK(table.overflows() == 2);
    CHECK(table.size() == 8);
}

TEST_CASE("the hottest keys are those refused most, then those used most") {
    RateTable table(100, 4);
    const GcraLimit limit = GcraLimit::of(1, seconds(1), 5);
    for (uint64_t key = 1; key <= 10; ++key) {
        for (uint64_t i = 0; i < key; ++i)
            (void)table.decide(key, kStart + Duration(static_cast<int64_t>(i)), limit);
    }
    const auto hot = table.hottest(7);
    REQUIRE(hot.size() == 7);
    CHECK(hot[0].key == 10);
    CHECK(hot[0].refused == 5);
    CHECK(hot[0].allowed == 5);
    CHECK(hot[0].last_used == kStart + Duration(9));
    CHECK(hot[4].key == 6);
    CHECK(hot[5].key == 5);
    CHECK(hot[6].key == 4);
    CHECK(table.hottest(0).empty());
    CHECK(table.hottest(1000).size() == 10);
    CHECK(RateTable(1).hottest(5).empty());
}

TEST_CASE("a large enough table decides as if every key had a cell of its own") {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        Prng random(seed);
        RateTable table(4096, 8);
        std::map<uint64_t, PlainGcraCell> model;
        const GcraLimit limit = GcraLimit::of(2, seconds(1), 4);
        Instant now = kStart;
        for (int i = 0; i < 50'000; ++i) {
            now.us += static_cast<int64_t>(random.below(2000));
            const uint64_t key = Prng(random.below(300)).next();
            const bool is_allowed = model[key].decide(now, limit).is_allowed;
            if (table.decide(key, now, limit).is_allowed != is_allowed) FAIL(seed);
        }
        CHECK(table.overflows() == 0);
    }
}

TEST_CASE("a flood of keys stays within the bound and is counted") {
    RateTable table(64, 2);
    const size_t capacity = table.capacity();
    Prng random(1);
    const GcraLimit limit = GcraLimit::of(1, seconds(3600), 1);
    for (int i = 0; i < 10'000; ++i)
        (void)table.decide(random.next(), kStart, limit);
    CHECK(table.size() == capacity);
    CHECK(table.overflows() == 10'000 - capacity);
}

TEST_CASE("threads may use it together") {
    RateTable table(256, 4);
    const GcraLimit limit = GcraLimit::of(1, seconds(3600), 10);
    std::vector<uint64_t> allowed(4, 0);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < allowed.size(); ++t) {
        threads.emplace_back([&table, &limit, &mine = allowed[t]] {
            for (uint64_t i = 0; i < 8000; ++i)
                mine += table.decide(Prng(i % 16).next(), kStart, limit).is_allowed ? 1 : 0;
        });
    }
    uint64_t sum = 0;
    for (size_t t = 0; t < threads.size(); ++t) {
        threads[t].join();
        sum += allowed[t];
    }
    CHECK(sum == 16 * 10);
}

TEST_CASE("units are taken and given back, and a key that holds one stays") {
    RateTable table(8, 1);
    CHECK(table.hold({1, "one"}, kStart, 2) == RateTable::Hold::Held);
    CHECK(table.hold({1, "one"}, kStart, 2) == RateTable::Hold::Held);
    CHECK(table.hold({1, "one"}, kStart, 2) == RateTable::Hold::Full);
    for (uint64_t key = 2; key <= 8; ++key)
        CHECK(table.hold(key, kStart + seconds(1), 1) == RateTable::Hold::Held);
    CHECK(table.overflows() == 0);
    // Nobody makes room: the ninth goes on uncounted, which is told.
    CHECK(table.hold(9, kStart + seconds(9), 1) == RateTable::Hold::Uncounted);
    CHECK(table.overflows() == 1);
    const GcraLimit limit = GcraLimit::of(1, seconds(1), 1);
    CHECK(table.decide(10, kStart + seconds(9), limit).is_allowed);
    CHECK(table.decide(10, kStart + seconds(9), limit).is_allowed);
    CHECK(table.overflows() == 3);
    table.charge(10, kStart, 1, 1);
    table.take_back(10, {}, true);
    table.let_go(1);
    CHECK(table.hold({1, "one"}, kStart, 2) == RateTable::Hold::Held);
    table.let_go(5);
    CHECK(table.hold(9, kStart + seconds(9), 1) == RateTable::Hold::Held);
}

TEST_CASE("one event passes under all bounds, and can be taken back") {
    RateTable table(8, 1);
    RateBounds bounds;
    bounds.events = GcraLimit::of(10, seconds(1), 2);
    bounds.bytes_per_second = 1000;
    CHECK(table.admit(1, kStart, bounds, Duration(0)).is_allowed);
    CHECK(table.admit(1, kStart, bounds, Duration(0)).is_allowed);
    CHECK(table.admit(1, kStart, bounds, Duration(0)).retry_after == milliseconds(100));
    table.take_back(1, bounds, false);
    CHECK(table.admit(1, kStart, bounds, Duration(0)).is_allowed);
    table.take_back(1, bounds, true);
    CHECK(table.hottest(1)[0].allowed == 1);
    CHECK(table.hottest(1)[0].refused == 2);
    // The bytes are the longer wait, for which no place is taken.
    table.charge(1, kStart, 1000, 1300);
    const GcraDecision refused = table.admit(1, kStart, bounds, milliseconds(299));
    CHECK_FALSE(refused.is_allowed);
    CHECK(refused.retry_after == milliseconds(300));
    const GcraDecision delayed = table.admit(1, kStart, bounds, milliseconds(300));
    CHECK(delayed.is_allowed);
    CHECK(delayed.retry_after == milliseconds(300));
    // Later there is less left to wait for.
    CHECK(table.admit(1, kStart + milliseconds(250), bounds, seconds(1)).retry_after ==
          milliseconds(50));
}

TEST_CASE("bytes that are not paid for keep their cell") {
    RateTable table(8, 1);
    for (uint64_t key = 1; key <= 8; ++key)
        table.charge(key, kStart, 1000, key == 3 ? 0 : 5000);
    table.charge(9, kStart + milliseconds(1), 1000, 5000);
    CHECK(table.overflows() == 0);
    (void)table.admit(3, kStart + milliseconds(1), {}, Duration(0));
    CHECK(table.overflows() == 1);
}

TEST_CASE("a key is remembered by its text, as far as there is room") {
    RateTable table(8, 1);
    (void)table.admit({1, "user=app", " query_class=read"}, kStart, {}, Duration(0));
    CHECK(table.hottest(1)[0].text == "user=app query_class=read");
    const std::string text(100, 'x');
    RateTable other(8, 1);
    (void)other.hold({1, text, text}, kStart, 1);
    CHECK(other.hottest(1)[0].text == std::string(63, 'x'));
    CHECK(other.hottest(1)[0].held == 1);
}

TEST_CASE("threads may hold units together") {
    RateTable table(64, 4);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&table] {
            for (uint64_t i = 0; i < 8000; ++i) {
                const uint64_t key = Prng(i % 4).next();
                if (table.hold(key, kStart, 2) == RateTable::Hold::Held) table.let_go(key);
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    for (const RateTable::HotKey& key : table.hottest(4))
        CHECK(key.held == 0);
}

}  // namespace
}  // namespace weir::rate_table_test
