// Goal: a connection that is opened for one session alone counts like any other, takes its turn and
// its room, is never idle and never anybody else's.
// Method: one thread, hand-made instants; at the end random steps with the ledger audited after
// each.
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "protocol/base/random.h"
#include "proxy/pool/pool_group.h"

namespace weir::pool_dedicated_test {
namespace {

using std::chrono::seconds;
using Kind = Pool::Released::Kind;

constexpr WorkerId kMe = 0;
constexpr WorkerId kOther = 1;

struct Fixture {
    Fixture() {
        settings.size = 2;
        settings.lifetime = seconds(3600);
        settings.login_retry = seconds(15);
        pool.configure(settings, {});
    }
    ~Fixture() {
        for (Waiter& waiter : waiters)
            pool.leave(waiter, now);
    }
    Waiter& waiter(bool wants_dedicated = false, WorkerId worker = kMe) {
        waiters.emplace_back();
        waiters.back().client = {static_cast<uint32_t>(waiters.size()), 1, worker};
        waiters.back().wants_dedicated = wants_dedicated;
        return waiters.back();
    }
    Waiter& dedicated(WorkerId worker = kMe) { return waiter(true, worker); }
    // A connection in use by an ordinary client.
    ServerConnection& busy(WorkerId worker = kMe) {
        Waiter& w = waiter(false, worker);
        const auto acquired = pool.acquire(w, worker, now);
        if (acquired.server != nullptr) return *acquired.server;
        REQUIRE(acquired.open != nullptr);
        CHECK(pool.release(*acquired.open, worker, now, true).kind == Kind::Granted);
        return *acquired.open;
    }
    void check_counts(size_t idle, size_t leased, size_t opening, size_t waiting) {
        const Pool::Counts c = pool.counts();
        CHECK(c.idle == idle);
        CHECK(c.leased == leased);
        CHECK(c.opening == opening);
        CHECK(c.waiting == waiting);
        CHECK(database.servers.used() == static_cast<int>(idle + leased + opening));
    }

    DatabaseState database;
    UserState user;
    PoolSettings settings;
    Instant now{100'000'000};
    std::deque<Waiter> waiters;
    PoolGroup group{{"shop", "bob"}, database, user};
    Pool pool{group, {}, {}, 2};
};

TEST_CASE_FIXTURE(Fixture, "a dedicated connection is opened for its waiter and leased to it") {
    Waiter& w = dedicated();
    const auto acquired = pool.acquire(w, kMe, now);
    CHECK(acquired.is_queued);
    REQUIRE(acquired.open != nullptr);
    CHECK(acquired.open->is_dedicated());
    CHECK(acquired.open->reserved_for == w.client);
    CHECK(acquired.open->reserved_ticket == w.ticket);
    check_counts(0, 0, 1, 1);
    CHECK(pool.begin_dedicated(*acquired.open, w, kMe, now));
    CHECK_FALSE(w.is_linked());
    check_counts(0, 1, 0, 0);
    CHECK(pool.retire(*acquired.open, kMe, now, std::nullopt).open == nullptr);
    CHECK_FALSE(acquired.open->is_dedicated());
    check_counts(0, 0, 0, 0);
}

TEST_CASE_FIXTURE(Fixture, "an idle connection is not taken, only its room if that is needed") {
    ServerConnection& idle = busy();
    CHECK(pool.release(idle, kMe, now, false).kind == Kind::Idle);
    const auto first = pool.acquire(dedicated(), kMe, now);
    CHECK(first.server == nullptr);
    CHECK(first.evicted == nullptr);  // there is room for two
    REQUIRE(first.open != nullptr);
    idle.id = 77;
    const auto second = pool.acquire(dedicated(kOther), kOther, now);
    CHECK(second.open == nullptr);
    CHECK(second.evicted == &idle);
    CHECK(second.evicted_id == 77);
    CHECK(idle.load_owner().state == LedgerState::Leased);
    CHECK(idle.load_owner().worker == kMe);  // whose loop watches it
    check_counts(0, 1, 1, 2);
    // A third asks: one is on its way out already for the second, and there is nothing else.
    CHECK(pool.acquire(dedicated(), kMe, now).evicted == nullptr);
    const auto retired = pool.retire(idle, kMe, now, std::nullopt);
    REQUIRE(retired.open != nullptr);
    CHECK(retired.open->reserved_for == waiters[2].client);
    CHECK(retired.open->load_owner().worker == kOther);  // it is for that one's worker to open
    check_counts(0, 0, 2, 3);
}

TEST_CASE_FIXTURE(Fixture, "who comes back makes room when it is a dedicated one's turn") {
    ServerConnection& a = busy();
    ServerConnection& b = busy();
    Waiter& w = dedicated();
    CHECK(pool.acquire(w, kMe, now).open == nullptr);
    Waiter& later = waiter();
    CHECK(pool.acquire(later, kMe, now).is_queued);
    CHECK(pool.release(a, kMe, now, false).kind == Kind::MustClose);
    // One is enough: the next goes to who waits for any.
    const auto second = pool.release(b, kMe, now, false);
    CHECK(second.kind == Kind::Granted);
    CHECK(second.grant.client == later.client);
    const auto retired = pool.retire(a, kMe, now, std::nullopt);
    REQUIRE(retired.open != nullptr);
    CHECK(retired.open->reserved_for == w.client);
    CHECK(pool.begin_dedicated(*retired.open, w, kMe, now));
    check_counts(0, 2, 0, 0);
}

TEST_CASE_FIXTURE(Fixture, "first come, first served, for both kinds") {
    ServerConnection& a = busy();
    ServerConnection& b = busy();
    Waiter& first = waiter();
    Waiter& second = dedicated();
    CHECK(pool.acquire(first, kMe, now).is_queued);
    CHECK(pool.acquire(second, kMe, now).is_queued);
    const auto released = pool.release(a, kMe, now, false);
    CHECK(released.kind == Kind::Granted);
    CHECK(released.grant.client == first.client);
    CHECK(pool.release(b, kMe, now, false).kind == Kind::MustClose);
    CHECK(pool.retire(b, kMe, now, std::nullopt).open->reserved_for == second.client);
}

TEST_CASE_FIXTURE(Fixture, "a waiter of any kind is not served by a connection of another's own") {
    Waiter& own = dedicated();
    const auto acquired = pool.acquire(own, kMe, now);
    Waiter& any = waiter();
    const auto more = pool.acquire(any, kMe, now);
    REQUIRE(more.open != nullptr);  // not counted as served by the first
    CHECK_FALSE(more.open->is_dedicated());
    const auto released = pool.release(*more.open, kMe, now, true);
    CHECK(released.kind == Kind::Granted);
    CHECK(released.grant.client == any.client);
    CHECK(pool.begin_dedicated(*acquired.open, own, kMe, now));
}

TEST_CASE_FIXTURE(Fixture,
                  "a waiter that leaves while its connection is opened is not wanted back") {
    Waiter& w = dedicated();
    const auto acquired = pool.acquire(w, kMe, now);
    CHECK(pool.leave(w, now));
    CHECK_FALSE(pool.begin_dedicated(*acquired.open, w, kMe, now));
    check_counts(0, 0, 1, 0);
    CHECK(pool.retire(*acquired.open, kMe, now, std::nullopt).open == nullptr);
    // In the queue again, it has another ticket.
    const auto again = pool.acquire(w, kMe, now);
    REQUIRE(again.open != nullptr);
    CHECK(again.open->reserved_ticket == w.ticket);
    CHECK(pool.begin_dedicated(*again.open, w, kMe, now));
}

TEST_CASE_FIXTURE(Fixture, "a server that refuses to replicate does not hold up others") {
    Waiter& w = dedicated();
    const auto acquired = pool.acquire(w, kMe, now);
    CHECK(pool.leave(w, now));
    const Error refused("42501", "must be superuser or replication role to start walsender");
    CHECK(pool.retire(*acquired.open, kMe, now, refused).failed.empty());
    CHECK_FALSE(pool.is_failing());
    CHECK(pool.acquire(waiter(), kMe, now).open != nullptr);
}

TEST_CASE_FIXTURE(Fixture, "one that cannot be connected does") {
    Waiter& w = dedicated();
    const auto acquired = pool.acquire(w, kMe, now);
    CHECK(pool.leave(w, now));
    pool.retire(*acquired.open, kMe, now, Error("08006", "connect failed"));
    CHECK(pool.is_failing());
    // It waits for the back-off like others, and is not refused meanwhile.
    const auto later = pool.acquire(dedicated(), kMe, now);
    CHECK_FALSE(later.refused);
    CHECK(later.is_queued);
    CHECK(later.open == nullptr);
}

TEST_CASE_FIXTURE(Fixture,
                  "a recycled pool says once that it has dedicated connections of before") {
    Waiter& w = dedicated();
    const auto acquired = pool.acquire(w, kMe, now);
    CHECK(pool.begin_dedicated(*acquired.open, w, kMe, now));
    CHECK_FALSE(pool.is_obsolete(*acquired.open));
    CHECK_FALSE(pool.take_obsolete_note());
    pool.recycle();
    CHECK(pool.is_obsolete(*acquired.open));
    CHECK(pool.take_obsolete_note());
    CHECK_FALSE(pool.take_obsolete_note());
    pool.retire(*acquired.open, kMe, now, std::nullopt);
    pool.recycle();
    CHECK_FALSE(pool.take_obsolete_note());
}

TEST_CASE_FIXTURE(Fixture, "one that was being opened when the pool was recycled is not wanted") {
    Waiter& w = dedicated();
    const auto acquired = pool.acquire(w, kMe, now);
    pool.recycle();
    CHECK(pool.take_obsolete_note());
    CHECK_FALSE(pool.begin_dedicated(*acquired.open, w, kMe, now));
}

TEST_CASE_FIXTURE(Fixture, "nothing is opened or evicted for it while the database is paused") {
    ServerConnection& a = busy();
    CHECK(pool.release(a, kMe, now, false).kind == Kind::Idle);
    database.paused = true;
    Waiter& w = dedicated();
    const auto acquired = pool.acquire(w, kMe, now);
    CHECK(acquired.open == nullptr);
    CHECK(acquired.evicted == nullptr);
    CHECK_FALSE(pool.match_waiter(now).has_value());
    database.paused = false;
    CHECK_FALSE(pool.match_waiter(now).has_value());  // the idle one is not for it
    ServerConnection* opened = pool.want_open(kOther, now);
    REQUIRE(opened != nullptr);
    CHECK(opened->reserved_for == w.client);
    CHECK(opened->load_owner().worker == kMe);
}

TEST_CASE("random steps of both kinds keep the ledger's sums") {
    struct Client {
        Waiter waiter;
        ServerConnection* server = nullptr;
    };
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        Prng prng(seed);
        Fixture f;
        f.settings.size = 1 + static_cast<int>(prng.below(4));
        f.pool.configure(f.settings, {});
        std::deque<Client> clients(8);
        std::vector<ServerConnection*> opening;
        std::vector<ServerConnection*> closing;
        for (size_t i = 0; i < clients.size(); ++i) {
            clients[i].waiter.client = {static_cast<uint32_t>(i), 1, kMe};
            clients[i].waiter.wants_dedicated = i % 2 == 0;
        }
        const auto opens = [&](ServerConnection* server) {
            if (server != nullptr) opening.push_back(server);
        };
        const auto grants = [&](const Grant& grant) {
            Client& client = clients[grant.client.slot];
            REQUIRE_FALSE(client.waiter.wants_dedicated);
            REQUIRE(client.server == nullptr);
            client.server = grant.server;
        };
        const auto comes_back = [&](ServerConnection& server, bool is_new) {
            const auto released = f.pool.release(server, kMe, f.now, is_new);
            opens(released.open);
            if (released.kind == Kind::Granted) grants(released.grant);
            if (released.kind == Kind::MustClose) closing.push_back(&server);
        };
        for (int step = 0; step < 2'000; ++step) {
            f.now = f.now + seconds(1);
            Client& client = clients[prng.below(clients.size())];
            const bool waits = client.waiter.is_linked();
            switch (prng.below(6)) {
                case 0:
                case 1:
                    if (client.server == nullptr && !waits) {
                        const auto got = f.pool.acquire(client.waiter, kMe, f.now);
                        client.server = got.server;
                        opens(got.open);
                        if (got.evicted != nullptr) closing.push_back(got.evicted);
                    } else if (client.server != nullptr && client.waiter.wants_dedicated) {
                        closing.push_back(client.server);
                        client.server = nullptr;
                    } else if (client.server != nullptr) {
                        comes_back(*std::exchange(client.server, nullptr), false);
                    }
                    break;
                case 2:
                    if (waits && prng.chance(20)) f.pool.leave(client.waiter, f.now);
                    break;
                case 3:
                    if (opening.empty()) break;
                    {
                        ServerConnection& server = *opening.back();
                        opening.pop_back();
                        if (!server.is_dedicated()) {
                            comes_back(server, true);
                            break;
                        }
                        Client& its = clients[server.reserved_for.slot];
                        const bool began = f.pool.begin_dedicated(server, its.waiter, kMe, f.now);
                        if (began) its.server = &server;
                        if (!began) opens(f.pool.retire(server, kMe, f.now, std::nullopt).open);
                    }
                    break;
                case 4:
                    if (closing.empty()) break;
                    opens(f.pool.retire(*closing.back(), kMe, f.now, std::nullopt).open);
                    closing.pop_back();
                    break;
                default: opens(f.pool.want_open(kMe, f.now)); break;
            }
            const Pool::Audit audit = f.pool.audit();
            REQUIRE(audit.idle == audit.counts.idle);
            REQUIRE(audit.leased == audit.counts.leased);
            REQUIRE(audit.opening == audit.counts.opening);
            REQUIRE(audit.opening == opening.size());
            REQUIRE(audit.idle + audit.leased + audit.opening <=
                    static_cast<size_t>(f.settings.size));
        }
        // When nobody comes any more, everybody who waits is served in the end.
        for (int step = 0; step < 200; ++step) {
            f.now = f.now + seconds(1);
            for (Client& client : clients) {
                if (client.server == nullptr) continue;
                ServerConnection& server = *std::exchange(client.server, nullptr);
                if (client.waiter.wants_dedicated) {
                    closing.push_back(&server);
                } else {
                    comes_back(server, false);
                }
            }
            while (!closing.empty()) {
                ServerConnection* server = closing.back();
                closing.pop_back();
                opens(f.pool.retire(*server, kMe, f.now, std::nullopt).open);
            }
            while (!opening.empty()) {
                ServerConnection& server = *opening.back();
                opening.pop_back();
                if (!server.is_dedicated()) {
                    comes_back(server, true);
                    continue;
                }
                Client& its = clients[server.reserved_for.slot];
                if (f.pool.begin_dedicated(server, its.waiter, kMe, f.now)) {
                    its.server = &server;
                } else {
                    opens(f.pool.retire(server, kMe, f.now, std::nullopt).open);
                }
            }
            opens(f.pool.want_open(kMe, f.now));
        }
        CHECK_MESSAGE(f.pool.counts().waiting == 0, seed);
        for (Client& client : clients)
            f.pool.leave(client.waiter, f.now);
    }
}

}  // namespace
}  // namespace weir::pool_dedicated_test
