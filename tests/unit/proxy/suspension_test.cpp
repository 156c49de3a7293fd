// Goal: Suspension asks until nothing moves, gives up at its time, and believes no answer to an
// older question. Method: answers are given by hand.
#include "proxy/control/suspension.h"

#include <doctest/doctest.h>

#include <deque>

namespace weir::suspension_test {
namespace {

struct Asked {
    WorkerMessage::Kind kind;
    bool is_over;
    std::function<void(uint64_t)> answer;
};

struct Fixture {
    std::deque<Asked> asked;
    Suspension suspension{[this](WorkerMessage message, std::function<void(uint64_t)> complete) {
        asked.push_back({message.kind, message.flag, std::move(complete)});
    }};
    Instant now{1'000'000};
    void answer(uint64_t moving) {
        asked.front().answer(moving);
        asked.pop_front();
    }
};

TEST_CASE("it asks again after each answer until all stand still") {
    Fixture f;
    CHECK_FALSE(f.suspension.is_on());
    f.suspension.begin(f.now, std::chrono::seconds(10));
    CHECK(f.suspension.is_on());
    REQUIRE(f.asked.size() == 1);
    f.suspension.tick(f.now);
    CHECK(f.asked.size() == 1);  // the answer is not there yet
    f.answer(3);
    CHECK_FALSE(f.suspension.is_flushed());
    f.suspension.tick(f.now);
    REQUIRE(f.asked.size() == 1);
    CHECK(f.asked.front().kind == WorkerMessage::Kind::Hold);
    CHECK_FALSE(f.asked.front().is_over);
    f.answer(0);
    CHECK(f.suspension.is_flushed());
    f.suspension.tick(f.now);
    CHECK(f.asked.empty());
}

TEST_CASE("after suspend_timeout whoever still moves is closed") {
    Fixture f;
    f.suspension.begin(f.now, std::chrono::seconds(10));
    f.answer(1);
    f.suspension.tick(f.now + std::chrono::seconds(10));
    REQUIRE(f.asked.size() == 1);
    CHECK(f.asked.front().is_over);
}

TEST_CASE("its end tells everybody to go on, and late answers say nothing") {
    Fixture f;
    f.suspension.begin(f.now, std::chrono::seconds(10));
    f.suspension.end();
    CHECK_FALSE(f.suspension.is_on());
    REQUIRE(f.asked.size() == 2);
    CHECK(f.asked.back().kind == WorkerMessage::Kind::Release);
    CHECK_FALSE(f.asked.back().answer);
    f.suspension.begin(f.now, std::chrono::seconds(10));
    f.answer(0);  // of the first
    CHECK_FALSE(f.suspension.is_flushed());
    f.asked.pop_front();
    f.answer(0);
    CHECK(f.suspension.is_flushed());
}

}  // namespace
}  // namespace weir::suspension_test
