// Goal: the bound for a commit is the first LSN read after it, never one read before.
// Method: times by hand, and a plain model by seed.
#include "proxy/routing/lsn_history.h"

#include <doctest/doctest.h>

#include <vector>

#include "protocol/base/random.h"

namespace weir::lsn_history_test {
namespace {

TEST_CASE("no probe since the commit, no bound") {
    LsnHistory history;
    CHECK_FALSE(history.covering(Instant{1}));
    history.observe(Instant{10}, 100);
    CHECK_FALSE(history.covering(Instant{11}));
    CHECK_FALSE(history.covering(Instant{10}));  // the order within a microsecond is not known
    CHECK(history.covering(Instant{9}) == 100);
}

TEST_CASE("the first probe behind the commit is the bound") {
    LsnHistory history;
    history.observe(Instant{10}, 100);
    history.observe(Instant{20}, 200);
    history.observe(Instant{30}, 300);
    CHECK(history.covering(Instant{1}) == 100);
    CHECK(history.covering(Instant{10}) == 200);
    CHECK(history.covering(Instant{25}) == 300);
    CHECK_FALSE(history.covering(Instant{30}));
}

TEST_CASE("observations without an LSN or out of order say nothing") {
    LsnHistory history;
    history.observe(Instant{10}, 0);
    CHECK(history.size() == 0);
    history.observe(Instant{20}, 200);
    history.observe(Instant{15}, 150);
    history.observe(Instant{20}, 210);
    CHECK(history.size() == 1);
    CHECK(history.covering(Instant{1}) == 200);
}

TEST_CASE("another primary begins anew") {
    LsnHistory history;
    history.observe(Instant{20}, 200);
    history.clear();
    CHECK_FALSE(history.covering(Instant{1}));
    history.observe(Instant{30}, 50);
    CHECK(history.covering(Instant{25}) == 50);
}

TEST_CASE("a full ring forgets the oldest, and its bounds stay safe") {
    LsnHistory history;
    std::vector<std::pair<Instant, uint64_t>> all;
    Prng random(7);
    Instant now{1};
    for (uint64_t lsn = 1; lsn < 1000; ++lsn) {
        now = now + Duration(1 + static_cast<int64_t>(random.below(5)));
        history.observe(now, lsn);
        all.emplace_back(now, lsn);
        const Instant commit{1 + static_cast<int64_t>(random.below(uint64_t(now.us) + 3))};
        std::optional<uint64_t> expected;
        const size_t oldest = all.size() > LsnHistory::kObservationsMax
                                  ? all.size() - LsnHistory::kObservationsMax
                                  : 0;
        for (size_t i = all.size(); i-- > oldest;)
            if (all[i].first > commit) expected = all[i].second;
        CHECK(history.covering(commit) == expected);
    }
    CHECK(history.size() == LsnHistory::kObservationsMax);
}

}  // namespace
}  // namespace weir::lsn_history_test
