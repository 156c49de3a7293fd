// Goal: L6 finds a connection that is lost between a ledger and the workers, and takes nothing that
// is merely under way for one. Method: a real pool moved by hand; what workers hold is made up.
#include "proxy/auditor.h"

#include <doctest/doctest.h>

#include <deque>

namespace weir::auditor_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

using Held = std::vector<std::vector<const ServerConnection*>>;

struct Fixture {
    Fixture() {
        PoolSettings settings;
        settings.size = 3;
        settings.lifetime = seconds(3600);
        pool.configure(settings, {});
    }
    Pool::Acquired acquire(WorkerId worker) {
        waiters.emplace_back();
        waiters.back().client = {static_cast<uint32_t>(waiters.size()), 1, worker};
        return pool.acquire(waiters.back(), worker, now);
    }
    ServerConnection& lease(WorkerId worker) {
        const auto acquired = acquire(worker);
        if (acquired.server != nullptr) return *acquired.server;
        REQUIRE(acquired.open != nullptr);
        CHECK(pool.release(*acquired.open, worker, now, true).kind ==
              Pool::Released::Kind::Granted);
        return *acquired.open;
    }
    std::vector<Discrepancy> check(const Held& held) {
        return find_discrepancies(pool, pool.audit(), held);
    }

    DatabaseState database;
    UserState user;
    Instant now{100'000'000};
    std::deque<Waiter> waiters;
    PoolGroup group{{"shop", "bob"}, database, user};
    Pool pool{group, {}, {}, 2};
};

TEST_CASE_FIXTURE(Fixture, "what is lent and held, idle or being opened agrees") {
    CHECK(check({{}, {}}).empty());
    ServerConnection& mine = lease(0);
    CHECK(check({{&mine}, {}}).empty());
    const ServerConnection& opening = *acquire(1).open;
    CHECK(check({{&mine}, {&opening}}).empty());
    pool.leave(waiters.back(), now);
    CHECK(pool.release(mine, 0, now, false).kind == Pool::Released::Kind::Idle);
    CHECK(check({{}, {&opening}}).empty());
    const Pool::Audit audit = pool.audit();
    CHECK(audit.idle == 1);
    CHECK(audit.listed_idle == 1);
    CHECK(audit.opening == 1);
    CHECK(audit.lent.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a lent connection that nobody holds is found, at the second check") {
    const ServerConnection& server = lease(0);
    const auto first = check({{}, {}});
    REQUIRE(first.size() == 1);
    CHECK(first[0].server == &server);
    CHECK(first[0].what == "slot 0 is lent to worker 0, who does not hold it");
    const auto certain = repeated(first, check({{}, {}}));
    REQUIRE(certain.size() == 1);
    CHECK(certain[0].is_like(first[0]));
    CHECK(repeated(first, check({{&server}, {}})).empty());
}

TEST_CASE_FIXTURE(Fixture, "one that changed hands in between is not") {
    ServerConnection& server = lease(0);
    const auto first = check({{}, {}});  // its grant was still on the way
    CHECK(first.size() == 1);
    pool.release(server, 0, now, false);
    CHECK(&lease(0) == &server);
    CHECK(repeated(first, check({{}, {}})).empty());
}

TEST_CASE_FIXTURE(Fixture, "one that is held by two, or by somebody else, or though it is idle") {
    ServerConnection& server = lease(0);
    CHECK_FALSE(check({{&server}, {&server}}).empty());
    CHECK(check({{}, {&server}}).size() == 2);
    pool.release(server, 0, now, false);
    const auto first = check({{&server}, {}});
    REQUIRE(first.size() == 1);
    CHECK(first[0].what == "slot 0 is held by worker 0, to whom it is not lent");
    CHECK(repeated(first, check({{&server}, {}})).size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "counts that do not add up are found") {
    lease(0);
    Pool::Audit audit = pool.audit();
    const Held held = {{audit.lent[0].server}, {}};
    CHECK(find_discrepancies(pool, audit, held).empty());
    audit.counts.leased = 2;
    const auto found = find_discrepancies(pool, audit, held);
    REQUIRE(found.size() == 1);
    CHECK(found[0].what == "leased counted 2, found 1");
    audit = pool.audit();
    audit.listed_free = 1;
    CHECK(find_discrepancies(pool, audit, held).size() == 1);
    audit = pool.audit();
    audit.counts.idle = audit.listed_idle = 1;
    CHECK(find_discrepancies(pool, audit, held).size() == 2);
}

// ---- the Auditor ----

class Inboxes final : public Exchange {
  public:
    void post(WorkerId to, WorkerMessage message) override {
        if (message.kind == WorkerMessage::Kind::LookForLeaks) woken.push_back(to);
    }
    void post_grant(const Grant&) override {}
    void post_control(ControlMessage) override {}
    [[nodiscard]] unsigned workers() const override { return 2; }
    Io& io(WorkerId) override { std::abort(); }

    std::vector<WorkerId> woken;
};

struct AuditorFixture {
    AuditorFixture() {
        DatabaseConfig database;
        database.name = "shop";
        config.databases["shop"] = database;
        PoolGroup& group = pools.find_or_create(config, database, "bob");
        ServerCredentials credentials;
        credentials.user = "bob";
        group.set_credentials(credentials);
        Pool& pool = group.first();
        waiter.client = {1, 1, 0};
        const auto acquired = pool.acquire(waiter, 0, now);
        REQUIRE(acquired.open != nullptr);
        pool.release(*acquired.open, 0, now, true);
        server = acquired.open;
    }

    Config config;
    EndpointTable endpoints{2};
    PoolSet pools{2, endpoints};
    Inboxes inboxes;
    Waiter waiter;
    Instant now{100'000'000};
    const ServerConnection* server = nullptr;
    std::array<std::atomic<int64_t>, kMaxWorkers> looked{};
    int gathered = 0;
    Auditor auditor{pools, inboxes, looked, [this](Auditor::Done done) {
                        ++gathered;
                        std::vector<WorkerSnapshot> snapshots(2);
                        snapshots[0].holdings = {server};
                        done(std::move(snapshots));
                    }};
};

TEST_CASE_FIXTURE(AuditorFixture, "workers that do not look by themselves are woken") {
    looked[0].store(now.us);
    auditor.tick(now, config.global);
    CHECK(inboxes.woken == std::vector<WorkerId>{1});
    auditor.tick(now + milliseconds(100), config.global);
    CHECK(inboxes.woken.size() == 1);
    auditor.tick(now + milliseconds(500), config.global);
    CHECK(inboxes.woken == std::vector<WorkerId>{1, 0, 1});
}

TEST_CASE_FIXTURE(AuditorFixture, "the ledgers are checked every ten seconds, unless that is off") {
    for (int tenths = 0; tenths < 250; ++tenths)
        auditor.tick(now + milliseconds(100) * tenths, config.global);
    CHECK(gathered == 3);
    config.global.leak_count_check = false;
    for (int tenths = 250; tenths < 500; ++tenths)
        auditor.tick(now + milliseconds(100) * tenths, config.global);
    CHECK(gathered == 3);
    WorkerSnapshot snapshot;
    auditor.add_reports(snapshot);
    CHECK(snapshot.leaks.empty());
    CHECK(snapshot.leak_totals.found[index_of(LeakKind::CountMismatch)] == 0);
}

}  // namespace
}  // namespace weir::auditor_test
