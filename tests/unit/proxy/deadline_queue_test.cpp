// Goal: DeadlineQueue fires every entry once, not before it is due and at most a tick and a bit
// late, also after a turn of the wheel and after a long sleep.
// Method: hand-made instants; then random arming beside a map of what is due.
#include "proxy/runtime/deadline_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "protocol/base/random.h"

namespace weir::deadline_queue_test {
namespace {

constexpr int64_t kTick = DeadlineQueue::kTickUs;
constexpr int64_t kSecond = 1'000'000;

struct Fixture {
    std::vector<Deadline*> expire(int64_t us) {
        std::vector<Deadline*> fired;
        queue.expire({us}, [&](Deadline& entry) {
            CHECK_FALSE(entry.is_linked());
            fired.push_back(&entry);
        });
        return fired;
    }
    DeadlineQueue queue;
};

TEST_CASE_FIXTURE(Fixture, "nothing armed means nothing to wait for") {
    CHECK(queue.empty());
    CHECK(queue.sleep_ms({kSecond}) == -1);
    CHECK(expire(kSecond).empty());
    Deadline entry;
    queue.disarm(entry);
    CHECK(queue.empty());
}

TEST_CASE_FIXTURE(Fixture, "an entry fires once, within a tick after it is due") {
    Deadline entry;
    expire(kSecond);
    queue.arm(entry, {2 * kSecond});
    CHECK_FALSE(queue.empty());
    CHECK(expire(2 * kSecond - 1).empty());
    const auto fired = expire(2 * kSecond + kTick);
    REQUIRE(fired.size() == 1);
    CHECK(fired[0] == &entry);
    CHECK(queue.empty());
    CHECK(expire(3 * kSecond).empty());
}

TEST_CASE_FIXTURE(Fixture, "entries of different ticks fire in their order") {
    Deadline a, b, c;
    expire(kSecond);
    queue.arm(c, {kSecond + 9 * kTick});
    queue.arm(a, {kSecond + kTick});
    queue.arm(b, {kSecond + 5 * kTick});
    CHECK(expire(2 * kSecond) == std::vector<Deadline*>{&a, &b, &c});
}

TEST_CASE_FIXTURE(Fixture, "an earlier deadline is kept, a later one replaced") {
    Deadline entry;
    expire(kSecond);
    queue.arm(entry, {2 * kSecond});
    queue.arm(entry, {3 * kSecond});  // lazy: stays where it is
    CHECK(entry.due == Instant{2 * kSecond});
    queue.arm(entry, {kSecond + 2 * kTick});
    CHECK(entry.due == Instant{kSecond + 2 * kTick});
    CHECK(expire(kSecond + 3 * kTick).size() == 1);
    CHECK(expire(9 * kSecond).empty());
}

TEST_CASE_FIXTURE(Fixture, "a disarmed entry does not fire") {
    Deadline a, b;
    expire(kSecond);
    queue.arm(a, {2 * kSecond});
    queue.arm(b, {2 * kSecond});
    queue.disarm(a);
    CHECK(expire(3 * kSecond) == std::vector<Deadline*>{&b});
    CHECK(queue.empty());
}

TEST_CASE_FIXTURE(Fixture, "an entry a turn of the wheel ahead waits for its turn") {
    Deadline near, far;
    const int64_t turn = 512 * kTick;
    expire(kSecond);
    queue.arm(far, {kSecond + 5 * kTick + 2 * turn});
    queue.arm(near, {kSecond + 5 * kTick});
    CHECK(expire(kSecond + 6 * kTick) == std::vector<Deadline*>{&near});
    CHECK(expire(kSecond + 6 * kTick + turn).empty());
    CHECK(expire(kSecond + 4 * kTick + 2 * turn).empty());
    CHECK(expire(kSecond + 6 * kTick + 2 * turn) == std::vector<Deadline*>{&far});
}

TEST_CASE_FIXTURE(Fixture, "nothing is lost over a sleep longer than the wheel") {
    std::vector<std::unique_ptr<Deadline>> entries;
    expire(kSecond);
    for (int i = 0; i < 600; ++i) {
        entries.push_back(std::make_unique<Deadline>());
        queue.arm(*entries.back(), {kSecond + i * kTick});
    }
    CHECK(expire(kSecond + 100'000 * kTick).size() == 600);
    CHECK(queue.empty());
}

TEST_CASE_FIXTURE(Fixture, "an entry that is armed again while it fires, fires later") {
    Deadline entry;
    int calls = 0;
    expire(kSecond);
    queue.arm(entry, {kSecond + kTick});
    for (int64_t us = kSecond; us < 2 * kSecond; us += kTick) {
        queue.expire({us}, [&](Deadline& fired) {
            ++calls;
            queue.arm(fired, {us});  // due at once: the next tick, not this call
        });
    }
    CHECK(calls > 20);
    CHECK(calls <= 50);
    queue.disarm(entry);
}

TEST_CASE_FIXTURE(Fixture, "a firing entry may disarm the others of its tick") {
    Deadline entries[4];
    int calls = 0;
    expire(kSecond);
    for (Deadline& entry : entries)
        queue.arm(entry, {kSecond + kTick});
    queue.expire({kSecond + 3 * kTick}, [&](Deadline&) {
        ++calls;
        for (Deadline& entry : entries)
            queue.disarm(entry);
    });
    CHECK(calls == 1);
    CHECK(queue.empty());
}

TEST_CASE_FIXTURE(Fixture, "sleeping as told reaches every deadline in time") {
    Prng prng(10);
    Deadline entry;
    int64_t now = kSecond;
    for (int round = 0; round < 300; ++round) {
        const int64_t due = now + static_cast<int64_t>(prng.below(40 * kSecond));
        expire(now);
        queue.arm(entry, {due});
        int wakes = 0;
        while (true) {
            const int sleep = queue.sleep_ms({now});
            if (sleep <= 0) FAIL(sleep);
            now += sleep * int64_t{1000};
            if (++wakes > 20) FAIL("too many wakes");
            if (!expire(now).empty()) break;
        }
        if (now < due || now > due + 2 * kTick + 2000) FAIL("late by " << (now - due));
    }
}

TEST_CASE_FIXTURE(Fixture, "random arming fires everything in time and nothing twice") {
    Prng prng(11);
    std::vector<std::unique_ptr<Deadline>> entries;
    std::map<Deadline*, int64_t> due;
    for (int i = 0; i < 50; ++i)
        entries.push_back(std::make_unique<Deadline>());
    int64_t now = kSecond;
    for (int step = 0; step < 50'000; ++step) {
        Deadline& entry = *entries[prng.below(entries.size())];
        const uint64_t dice = prng.below(10);
        if (dice < 6) {
            const int64_t at = now + static_cast<int64_t>(prng.below(20 * kSecond));
            queue.arm(entry, {at});
            const auto known = due.find(&entry);
            due[&entry] = known == due.end() ? at : std::min(known->second, at);
        } else if (dice == 6) {
            queue.disarm(entry);
            due.erase(&entry);
        } else {
            now += static_cast<int64_t>(prng.below(prng.chance(1) ? 30 * kSecond : kSecond / 10));
            for (Deadline* fired : expire(now)) {
                if (!due.contains(fired) || due[fired] > now) FAIL(step);
                due.erase(fired);
            }
            for (const auto& [waiting, at] : due) {
                if (at + 2 * kTick <= now) FAIL("late by " << (now - at));
            }
        }
        if (queue.empty() != due.empty()) FAIL(step);
    }
    for (const auto& item : due)
        queue.disarm(*item.first);
}

}  // namespace
}  // namespace weir::deadline_queue_test
