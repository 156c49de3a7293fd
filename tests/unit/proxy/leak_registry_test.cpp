// Goal: reports are bounded, those that are alike are one, what goes on is never forgotten, and the
// totals add up. Method: reports made by hand, then many at random.
#include "proxy/leaks/leak_registry.h"

#include <doctest/doctest.h>

#include "protocol/base/random.h"

namespace weir::leak_registry_test {
namespace {

using std::chrono::seconds;

LeakReport report(LeakKind kind, uint64_t digest, int at_s, const char* application = "app") {
    LeakReport r;
    r.kind = kind;
    r.digest = digest;
    r.application_name = application;
    r.client_addr = "10.0.0.9:" + std::to_string(at_s);
    r.since = r.first_seen = r.last_seen = Instant{1'000'000} + seconds(at_s);
    return r;
}
Instant at(int s) {
    return Instant{1'000'000} + seconds(s);
}

TEST_CASE("reports of the same kind, application and digest are one, and show the latest") {
    LeakRegistry registry;
    const uint32_t first = registry.add(report(LeakKind::Hold, 1, 10));
    CHECK(registry.add(report(LeakKind::Hold, 1, 20)) == first);
    CHECK(registry.add(report(LeakKind::Hold, 2, 20)) != first);
    CHECK(registry.add(report(LeakKind::Pin, 1, 20)) != first);
    CHECK(registry.add(report(LeakKind::Hold, 1, 20, "other")) != first);
    REQUIRE(registry.reports().size() == 4);
    const LeakReport& r = registry.reports()[first];
    CHECK(r.count == 2);
    CHECK(r.open == 2);
    CHECK(r.first_seen == at(10));
    CHECK(r.last_seen == at(20));
    CHECK(r.client_addr == "10.0.0.9:20");
    CHECK(registry.totals().found[index_of(LeakKind::Hold)] == 4);
    CHECK(registry.totals().open[index_of(LeakKind::Hold)] == 4);
}

TEST_CASE("a report is open while one of its occurrences is, and then says how it ended") {
    LeakRegistry registry;
    const uint32_t row = registry.add(report(LeakKind::Hold, 1, 10));
    registry.add(report(LeakKind::Hold, 1, 11));
    registry.end(row, LeakKind::Hold, LeakState::Released, seconds(42), at(52));
    CHECK(registry.reports()[row].state == LeakState::Open);
    registry.end(row, LeakKind::Hold, LeakState::Killed, seconds(50), at(61));
    CHECK(registry.reports()[row].state == LeakState::Killed);
    CHECK(registry.reports()[row].released_after == seconds(50));
    CHECK(registry.reports()[row].last_seen == at(61));
    CHECK(registry.totals().open[index_of(LeakKind::Hold)] == 0);
    CHECK(registry.totals().killed[index_of(LeakKind::Hold)] == 1);
    registry.add(report(LeakKind::Hold, 1, 70));
    CHECK(registry.reports()[row].state == LeakState::Open);
    CHECK(registry.reports()[row].count == 3);
}

TEST_CASE("what has no end is counted and not open") {
    LeakRegistry registry;
    LeakReport login = report(LeakKind::HalfLogin, 0, 10);
    login.state = LeakState::Killed;
    registry.add(login);
    LeakReport count = report(LeakKind::CountMismatch, 0, 10);
    count.state = LeakState::Noted;
    registry.add(count);
    CHECK(registry.reports()[0].open == 0);
    CHECK(registry.totals().killed[index_of(LeakKind::HalfLogin)] == 1);
    CHECK(registry.totals().open[index_of(LeakKind::CountMismatch)] == 0);
    CHECK(std::string(to_string(registry.reports()[1].state)) == "noted");
}

TEST_CASE("a full registry forgets what is over for the longest, and never what goes on") {
    LeakRegistry registry;
    constexpr auto kMax = static_cast<int>(LeakRegistry::kReportsMax);
    for (int i = 0; i < kMax; ++i)
        registry.add(report(LeakKind::Hold, static_cast<uint64_t>(i) + 1, i));
    CHECK(registry.add(report(LeakKind::Hold, 5000, kMax)) == LeakRegistry::kNone);
    CHECK(registry.totals().dropped == 1);
    // Its end is counted all the same.
    registry.end(LeakRegistry::kNone, LeakKind::Hold, LeakState::Released, seconds(1), at(kMax));
    CHECK(registry.totals().open[index_of(LeakKind::Hold)] == kMax);
    registry.end(7, LeakKind::Hold, LeakState::Released, seconds(1), at(1000));
    registry.end(9, LeakKind::Hold, LeakState::Released, seconds(1), at(999));
    CHECK(registry.add(report(LeakKind::Hold, 5001, 1001)) == 9);
    CHECK(registry.add(report(LeakKind::Hold, 5002, 1002)) == 7);
    CHECK(registry.add(report(LeakKind::Hold, 5003, 1003)) == LeakRegistry::kNone);
    CHECK(registry.reports().size() == LeakRegistry::kReportsMax);
}

TEST_CASE("totals of workers add up, whatever comes and goes") {
    Prng random(11);
    LeakRegistry registry;
    std::vector<std::pair<uint32_t, LeakKind>> open;
    uint64_t found = 0;
    for (int i = 0; i < 5'000; ++i) {
        if (!open.empty() && random.below(2) == 0) {
            const size_t which = random.below(open.size());
            registry.end(open[which].first, open[which].second, LeakState::Released, seconds(1),
                         at(i));
            open.erase(open.begin() + static_cast<int64_t>(which));
            continue;
        }
        const auto kind = static_cast<LeakKind>(random.below(kLeakKinds));
        open.emplace_back(registry.add(report(kind, random.below(100), i)), kind);
        ++found;
    }
    LeakTotals sum;
    sum.add(registry.totals());
    sum.add(registry.totals());
    uint64_t all = 0;
    uint64_t still = 0;
    for (size_t i = 0; i < kLeakKinds; ++i) {
        all += sum.found[i];
        still += sum.open[i];
    }
    CHECK(all == 2 * found);
    CHECK(still == 2 * open.size());
    CHECK(registry.reports().size() <= LeakRegistry::kReportsMax);
}

TEST_CASE("the line of the log tells all that is known and leaves out what is not") {
    LeakReport r = report(LeakKind::IdleTransaction, 0xabc, 10);
    r.client_id = 31;
    r.user = "bob";
    r.database = "shop";
    r.server_addr = "10.0.0.1:5432";
    r.server_pid = 4711;
    r.checked_out = r.transaction_since = at(8);
    r.reason = "transaction";
    r.first_query = "begin";
    r.last_query = "select ?";
    r.prepared_statements = 3;
    CHECK(leak_text(r, at(12)) ==
          "L1 idle in transaction: C-0x1f shop/bob @10.0.0.9:10 (app) on 10.0.0.1:5432 pid 4711, "
          "for 2.0 s, held 4.0 s, in transaction 4.0 s; transaction; 3 prepared statements; "
          "first query: begin; last query: select ? (digest 0000000000000abc)");
    LeakReport bare;
    bare.kind = LeakKind::CountMismatch;
    bare.reason = "leased counted 2, found 1";
    CHECK(leak_text(bare, at(1)) == "L6 count mismatch; leased counted 2, found 1");
}

}  // namespace
}  // namespace weir::leak_registry_test
