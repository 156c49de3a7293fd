// Goal: a pool whose server is down tries again soon at first, then ever more rarely, never more
// rarely than it is told.
// Method: hand-made instants.
#include "health/login_backoff.h"

#include <doctest/doctest.h>

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
constexpr Instant kNow{1'000'000};

TEST_CASE("a pool that never failed may try at any time") {
    const LoginBackoff backoff;
    CHECK_FALSE(backoff.is_failing());
    CHECK(backoff.may_try(Instant{}));
    CHECK(backoff.failures() == 0);
}

TEST_CASE("each failure doubles the pause up to the ceiling") {
    LoginBackoff backoff;
    for (const int pause_ms : {100, 200, 400, 800, 1600, 3200, 6400, 12800, 15000, 15000}) {
        backoff.on_failure(kNow, seconds(15));
        CHECK(backoff.is_failing());
        CHECK(backoff.retry_at() - kNow == Duration(milliseconds(pause_ms)));
        CHECK_FALSE(backoff.may_try(kNow));
        CHECK_FALSE(backoff.may_try(Instant{backoff.retry_at().us - 1}));
        CHECK(backoff.may_try(backoff.retry_at()));
    }
    CHECK(backoff.failures() == 10);
}

TEST_CASE("a success forgets all failures") {
    LoginBackoff backoff;
    for (int i = 0; i < 5; ++i)
        backoff.on_failure(kNow, seconds(15));
    backoff.on_success();
    CHECK_FALSE(backoff.is_failing());
    CHECK(backoff.may_try(kNow));
    backoff.on_failure(kNow, seconds(15));
    CHECK(backoff.retry_at() - kNow == LoginBackoff::kFirstPause);
}

TEST_CASE("a short or odd ceiling is kept to") {
    LoginBackoff backoff;
    backoff.on_failure(kNow, milliseconds(30));
    CHECK(backoff.retry_at() - kNow == Duration(milliseconds(30)));
    backoff.on_failure(kNow, Duration(0));
    CHECK(backoff.may_try(kNow));
    backoff.on_failure(kNow, Duration(-5));
    CHECK(backoff.may_try(kNow));
}

TEST_CASE("any number of failures does not overflow the pause") {
    LoginBackoff backoff;
    for (int i = 0; i < 100'000; ++i) {
        backoff.on_failure(kNow, seconds(3600));
        const Duration pause = backoff.retry_at() - kNow;
        if (pause <= Duration(0) || pause > seconds(3600)) FAIL(i);
    }
}

}  // namespace
}  // namespace weir
