// Goal: jobs are run in order and within the limits, a stuck one holds up nobody else, and nothing
// waits for it at the end. Method: jobs that wait for the test's word; `overdue` 0 makes a job
// stuck as soon as it runs.
#include "proxy/auth/check_pool.h"

#include <doctest/doctest.h>

#include <future>
#include <thread>
#include <vector>

namespace weir::check_pool_test {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPatience{20'000};  // against hanging; nothing takes that long

// A job that says when it has begun, and ends when it is told to.
struct Held {
    std::promise<void> begun_, end_;
    std::future<void> begun = begun_.get_future();
    std::shared_future<void> end = end_.get_future().share();

    CheckPool::Job job() {
        return {[this] {
                    begun_.set_value();
                    end.wait();
                },
                nullptr};
    }
    void wait_begun() { REQUIRE(begun.wait_for(kPatience) == std::future_status::ready); }
};

TEST_CASE("jobs are begun in their order") {
    CheckPool pool({.name = "test"});
    std::vector<int> seen;
    std::promise<void> last;
    for (int i = 0; i < 20; ++i) {
        REQUIRE(pool.submit({[&seen, &last, i] {
                                 seen.push_back(i);
                                 if (i == 19) last.set_value();
                             },
                             nullptr}));
    }
    REQUIRE(last.get_future().wait_for(kPatience) == std::future_status::ready);
    REQUIRE(pool.stop(kPatience));
    REQUIRE(seen.size() == 20);
    for (int i = 0; i < 20; ++i)
        CHECK(seen[static_cast<size_t>(i)] == i);
}

TEST_CASE("no more jobs run than are allowed, and no more wait than fit") {
    CheckPool pool({.name = "test", .concurrency = 2, .queue_max = 3, .overdue = kPatience});
    Held a, b;
    REQUIRE(pool.submit(a.job()));
    REQUIRE(pool.submit(b.job()));
    a.wait_begun();
    b.wait_begun();
    std::atomic<int> run{0};
    for (int i = 0; i < 3; ++i)
        CHECK(pool.submit({[&run] { ++run; }, nullptr}));
    CHECK_FALSE(pool.submit({[&run] { ++run; }, nullptr}));
    CHECK(pool.counts().queued == 3);
    CHECK(pool.counts().running == 2);
    CHECK(run == 0);
    a.end_.set_value();
    b.end_.set_value();
    Held last;
    while (!pool.submit(last.job()))
        std::this_thread::yield();
    last.wait_begun();
    CHECK(run == 3);
    last.end_.set_value();
    CHECK(pool.stop(kPatience));
}

TEST_CASE("a stuck job does not hold up the others until all threads are stuck") {
    CheckPool pool({.name = "test", .threads_max = 3, .overdue = milliseconds(0)});
    Held stuck[3];
    for (Held& one : stuck) {
        REQUIRE(pool.submit(one.job()));
        one.wait_begun();
    }
    Held next;
    REQUIRE(pool.submit(next.job()));
    CHECK(pool.counts().threads == 3);
    CHECK(pool.counts().queued == 1);
    stuck[1].end_.set_value();
    next.wait_begun();
    CHECK_FALSE(pool.stop(milliseconds(0)));
    stuck[0].end_.set_value();
    stuck[2].end_.set_value();
    next.end_.set_value();
    CHECK(pool.stop(kPatience));
}

TEST_CASE("a job that nobody wants any more is not begun and takes no place") {
    CheckPool pool({.name = "test", .queue_max = 2, .overdue = kPatience});
    Held held;
    REQUIRE(pool.submit(held.job()));
    held.wait_begun();
    const auto is_abandoned = std::make_shared<std::atomic<bool>>(false);
    std::atomic<int> run{0};
    REQUIRE(pool.submit({[&run] { ++run; }, is_abandoned}));
    REQUIRE(pool.submit({[&run] { ++run; }, nullptr}));
    CHECK_FALSE(pool.submit({[&run] { ++run; }, nullptr}));
    is_abandoned->store(true);
    Held last;
    REQUIRE(pool.submit(last.job()));
    held.end_.set_value();
    last.wait_begun();
    CHECK(run == 1);
    last.end_.set_value();
    CHECK(pool.stop(kPatience));
    CHECK_FALSE(pool.submit({[] {}, nullptr}));
}

TEST_CASE("a pool without work has no thread") {
    CheckPool pool({.name = "test"});
    CHECK(pool.counts().threads == 0);
    CHECK(pool.stop(milliseconds(0)));
}

}  // namespace
}  // namespace weir::check_pool_test
