// Goal: an Alarm goes off for the earliest moment asked for, and is set no more often than needed.
// Method: epoll, edge-triggered, as a worker watches it; the clock is the test's own.
#include "proxy/runtime/alarm.h"

#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace weir::alarm_test {
namespace {

struct Watched {
    Watched() {
        epoll_event event{.events = EPOLLIN | EPOLLET, .data = {}};
        REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, alarm.fd(), &event) == 0);
    }
    ~Watched() { ::close(epoll); }
    int wait(int most_ms) const {
        epoll_event event{};
        return epoll_wait(epoll, &event, 1, most_ms);
    }
    // Milliseconds until it goes off, rounded up; 0 = it is not set.
    [[nodiscard]] long set_for_ms() const {
        itimerspec left{};
        REQUIRE(timerfd_gettime(alarm.fd(), &left) == 0);
        return left.it_value.tv_sec * 1000 + (left.it_value.tv_nsec + 999'999) / 1'000'000;
    }
    Alarm alarm;
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
};

constexpr Instant kNow{1'000'000};

TEST_CASE("an alarm goes off once each time that it was set, without being read") {
    Watched watched;
    for (int i = 0; i < 3; ++i) {
        watched.alarm.ring_in(kNow, 1);
        CHECK(watched.wait(60'000) == 1);
        CHECK(watched.wait(0) == 0);
        watched.alarm.on_ring();
    }
}

TEST_CASE("an alarm keeps the earliest moment that was asked for") {
    Watched watched;
    watched.alarm.ring_in(kNow, -1);
    CHECK(watched.set_for_ms() == 0);
    watched.alarm.ring_in(kNow, 1'000'000);
    CHECK(watched.set_for_ms() > 900'000);
    watched.alarm.ring_in(kNow, 2'000'000);
    CHECK(watched.set_for_ms() <= 1'000'000);
    watched.alarm.ring_in(kNow, 500'000);
    CHECK(watched.set_for_ms() <= 500'000);
    // Sooner than that, but asked for later: it comes behind what is set.
    watched.alarm.ring_in(kNow + std::chrono::seconds(400), 200'000);
    CHECK(watched.set_for_ms() > 400'000);
    watched.alarm.ring_in(kNow + std::chrono::seconds(400), 50'000);
    CHECK(watched.set_for_ms() <= 50'000);
}

TEST_CASE("an alarm that went off unseen can be set again") {
    Watched watched;
    watched.alarm.ring_in(kNow, 1);
    CHECK(watched.wait(60'000) == 1);
    watched.alarm.on_ring();
    watched.alarm.ring_in(kNow, 1'000'000);
    CHECK(watched.wait(0) == 0);
    CHECK(watched.set_for_ms() > 900'000);
}

}  // namespace
}  // namespace weir::alarm_test
