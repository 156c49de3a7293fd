// Goal: a Cap never gives out more units than its limit, whoever asks at the same time.
// Method: by hand; then two threads that take and give back while a third value watches the peak.
#include "proxy/limits/cap.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

namespace weir::cap_test {
namespace {

TEST_CASE("a limit of zero is none") {
    Cap cap;
    for (int i = 0; i < 1000; ++i)
        CHECK(cap.try_reserve());
    CHECK(cap.used() == 1000);
    CHECK_FALSE(cap.is_over());
}

TEST_CASE("units beyond the limit are refused until one comes back") {
    Cap cap;
    cap.set_limit(2);
    CHECK(cap.try_reserve());
    CHECK(cap.try_reserve());
    CHECK_FALSE(cap.try_reserve());
    CHECK(cap.used() == 2);
    cap.release();
    CHECK(cap.try_reserve());
    CHECK_FALSE(cap.try_reserve());
}

TEST_CASE("lowering a limit takes nothing away but says so") {
    Cap cap;
    cap.set_limit(3);
    for (int i = 0; i < 3; ++i)
        cap.try_reserve();
    cap.set_limit(1);
    CHECK(cap.is_over());
    CHECK(cap.used() == 3);
    CHECK_FALSE(cap.try_reserve());
    cap.release();
    cap.release();
    CHECK_FALSE(cap.is_over());
    CHECK_FALSE(cap.try_reserve());
    cap.set_limit(0);
    CHECK(cap.try_reserve());
}

TEST_CASE("two threads never hold more than the limit") {
    constexpr int kLimit = 3;
    Cap cap;
    cap.set_limit(kLimit);
    std::atomic<int> held{0}, peak{0}, refused{0};
    const auto work = [&](int most) {
        int mine = 0;
        for (int i = 0; i < 200'000; ++i) {
            if (mine < most && i % 3 != 2) {
                if (!cap.try_reserve()) {
                    refused.fetch_add(1);
                    continue;
                }
                ++mine;
                const int now = held.fetch_add(1) + 1;
                int before = peak.load();
                while (now > before && !peak.compare_exchange_weak(before, now)) {
                }
            } else if (mine > 0) {
                held.fetch_sub(1);  // before the unit is free for others
                cap.release();
                --mine;
            }
        }
        for (; mine > 0; --mine) {
            held.fetch_sub(1);
            cap.release();
        }
    };
    std::thread other(work, 3);
    work(2);
    other.join();
    CHECK(peak.load() <= kLimit);
    CHECK(held.load() == 0);
    CHECK(cap.used() == 0);
}

}  // namespace
}  // namespace weir::cap_test
