// Goal: bytes are paid for at their rate, a second's worth is free, and no debt lasts for ever.
// Method: charges by hand.
#include "proxy/limits/byte_debt.h"

#include <doctest/doctest.h>

namespace weir::byte_debt_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{1'000'000'000};

TEST_CASE("a second's worth may come at once, the rest has to be waited for") {
    ByteDebt debt;
    CHECK(debt.is_spent(kStart));
    CHECK(debt.wait(kStart) == Duration(0));
    debt.charge(kStart, 1000, 1000);
    CHECK(debt.wait(kStart) == Duration(0));
    CHECK_FALSE(debt.is_spent(kStart));
    debt.charge(kStart, 1000, 500);
    CHECK(debt.wait(kStart) == milliseconds(500));
    CHECK(debt.wait(kStart + milliseconds(200)) == milliseconds(300));
    CHECK(debt.wait(kStart + milliseconds(500)) == Duration(0));
    CHECK(debt.is_spent(kStart + milliseconds(1501)));
}

TEST_CASE("small charges add up at high rates, and a large one is bounded") {
    ByteDebt debt;
    for (int i = 0; i < 1000; ++i)
        debt.charge(kStart, 2'000'000'000, 3);
    CHECK_FALSE(debt.is_spent(kStart + Duration(1)));
    CHECK(debt.is_spent(kStart + Duration(3)));
    debt.charge(kStart, 1, UINT64_MAX);
    CHECK(debt.wait(kStart) == ByteDebt::kDebtMax);
    debt.charge(kStart, 9'000'000'000, UINT64_MAX);
    CHECK(debt.wait(kStart) == ByteDebt::kDebtMax);
    debt.charge(kStart, 9'000'000'000, 8'999'999'999);
    CHECK(debt.wait(kStart) == ByteDebt::kDebtMax);
}

}  // namespace
}  // namespace weir::byte_debt_test
