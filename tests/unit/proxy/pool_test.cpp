// Goal: the ledger of a pool hands out, queues, grants and takes back as its rules say, keeps all
// limits, and its counts always add up.
// Method: one thread, hand-made instants, workers played by number; then random steps with the sums
// checked after each. (Many threads and sessions: the simulator.)
//
#include "proxy/pool/pool_group.h"

#include <doctest/doctest.h>

#include <deque>

#include "protocol/base/random.h"

namespace weir::pool_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = Pool::Released::Kind;

constexpr WorkerId kMe = 0;
constexpr WorkerId kOther = 1;

struct Fixture {
    Fixture() {
        settings.size = 2;
        settings.lifetime = seconds(3600);
        settings.login_retry = seconds(15);
        configure();
    }
    ~Fixture() {
        for (Waiter& waiter : waiters)
            pool.leave(waiter, now);
    }
    void configure() { pool.configure(settings, {}); }

    Waiter& waiter(WorkerId worker = kMe) {
        waiters.emplace_back();
        waiters.back().client = {static_cast<uint32_t>(waiters.size()), 1, worker};
        return waiters.back();
    }
    // A connection that a first client made the pool open, released as new.
    ServerConnection& open_idle(WorkerId worker = kMe) {
        Waiter& w = waiter(worker);
        const auto acquired = pool.acquire(w, worker, now);
        REQUIRE(acquired.open != nullptr);
        CHECK(pool.leave(w, now));
        acquired.open->connected_at = now;
        CHECK(pool.release(*acquired.open, worker, now, true).kind == Kind::Idle);
        return *acquired.open;
    }
    ServerConnection& lease(WorkerId worker = kMe) {
        const auto acquired = pool.acquire(waiter(worker), worker, now);
        REQUIRE(acquired.server != nullptr);
        return *acquired.server;
    }
    void open_two_idle() {
        open_idle();
        ServerConnection& first = lease();
        open_idle();
        CHECK(pool.release(first, kMe, now, false).kind == Kind::Idle);
    }
    void check_counts(size_t idle, size_t leased, size_t opening, size_t waiting) {
        const Pool::Counts c = pool.counts();
        CHECK(c.idle == idle);
        CHECK(c.leased == leased);
        CHECK(c.opening == opening);
        CHECK(c.waiting == waiting);
        CHECK(database.servers.used() == static_cast<int>(idle + leased + opening));
        CHECK(user.servers.used() == static_cast<int>(idle + leased + opening));
    }

    DatabaseState database;
    UserState user;
    PoolSettings settings;
    Instant now{100'000'000};
    std::deque<Waiter> waiters;
    PoolGroup group{{"shop", "bob"}, database, user};
    Pool pool{group, {}, {}, 2};
};

TEST_CASE_FIXTURE(Fixture, "the first client waits for a connection that is opened for it") {
    Waiter& w = waiter();
    const auto acquired = pool.acquire(w, kMe, now);
    CHECK(acquired.server == nullptr);
    CHECK(acquired.is_queued);
    REQUIRE(acquired.open != nullptr);
    CHECK(acquired.open->load_owner().state == LedgerState::Opening);
    CHECK(acquired.open->load_owner().worker == kMe);
    check_counts(0, 0, 1, 1);
    const auto released = pool.release(*acquired.open, kMe, now, true);
    CHECK(released.kind == Kind::Granted);
    CHECK(released.grant.client == w.client);
    CHECK(released.grant.ticket == w.ticket);
    CHECK(released.grant.server == acquired.open);
    CHECK(released.grant.waiting_since == now);
    CHECK_FALSE(pool.leave(w, now));  // its grant is on the way
    check_counts(0, 1, 0, 0);
}

TEST_CASE_FIXTURE(Fixture, "an idle connection is given at once and comes back") {
    ServerConnection& server = open_idle();
    check_counts(1, 0, 0, 0);
    const auto acquired = pool.acquire(waiter(), kMe, now);
    CHECK(acquired.server == &server);
    CHECK(acquired.home == kMe);
    CHECK_FALSE(acquired.is_queued);
    CHECK(server.load_owner().state == LedgerState::Leased);
    check_counts(0, 1, 0, 0);
    now = now + seconds(1);
    CHECK(pool.release(server, kMe, now, false).kind == Kind::Idle);
    CHECK(server.idle_since == now);
    check_counts(1, 0, 0, 0);
}

TEST_CASE_FIXTURE(Fixture, "the most recently used connection of one's own is preferred") {
    settings.size = 4;
    configure();
    open_idle(kMe);
    now = now + seconds(1);
    ServerConnection& a = lease();
    Waiter& w = waiter();
    ServerConnection& b = *pool.acquire(w, kMe, now).open;
    pool.leave(w, now);
    b.connected_at = now;
    pool.release(b, kMe, now, true);
    now = now + seconds(1);
    pool.release(a, kMe, now, false);
    CHECK(pool.acquire(waiter(), kMe, now).server == &a);
    const auto taken = pool.acquire(waiter(kOther), kOther, now);  // from another worker's
    CHECK(taken.server == &b);
    CHECK(taken.home == kMe);
    CHECK(b.load_owner().worker == kOther);
    pool.release(b, kOther, now, false);
    CHECK(pool.acquire(waiter(kOther), kOther, now).home == kOther);
}

TEST_CASE_FIXTURE(Fixture, "round robin takes the connection that was idle longest") {
    settings.round_robin = true;
    configure();
    open_idle();
    ServerConnection& a = lease();
    Waiter& w = waiter();
    ServerConnection& b = *pool.acquire(w, kMe, now).open;
    pool.leave(w, now);
    b.connected_at = now;
    pool.release(a, kMe, now, false);
    now = now + seconds(1);
    pool.release(b, kMe, now, true);
    for (int round = 0; round < 4; ++round) {
        now = now + seconds(1);
        ServerConnection& expected = round % 2 == 0 ? a : b;
        CHECK(&lease() == &expected);
        pool.release(expected, kMe, now, false);
    }
}

TEST_CASE_FIXTURE(Fixture, "a local waiter goes before one that came hardly earlier elsewhere") {
    settings.size = 1;
    settings.fifo_slack = Duration(500);
    configure();
    open_idle();
    ServerConnection& server = lease();
    Waiter& first = waiter(kOther);
    Waiter& local = waiter(kMe);
    Waiter& late = waiter(kMe);
    CHECK(pool.acquire(first, kOther, now).is_queued);
    now = now + Duration(500);
    CHECK(pool.acquire(local, kMe, now).is_queued);
    now = now + Duration(1);
    CHECK(pool.acquire(late, kMe, now).is_queued);
    auto released = pool.release(server, kMe, now, false);
    CHECK(released.grant.client == local.client);
    released = pool.release(server, kMe, now, false);  // 501 us are too late
    CHECK(released.grant.client == first.client);
    released = pool.release(server, kOther, now, false);
    CHECK(released.grant.client == late.client);
}

TEST_CASE_FIXTURE(Fixture, "waiters are served in the order of arrival, over all workers") {
    settings.size = 1;
    configure();
    open_idle();
    ServerConnection& server = lease();
    Waiter& first = waiter(kOther);
    Waiter& second = waiter(kMe);
    Waiter& third = waiter(kOther);
    for (Waiter* w : {&first, &second, &third})
        CHECK(pool.acquire(*w, w->client.worker, now).is_queued);
    CHECK(first.ticket < second.ticket);
    CHECK(second.ticket < third.ticket);
    CHECK(pool.counts().oldest_wait == now);
    check_counts(0, 1, 0, 3);
    CHECK(pool.leave(second, now));
    CHECK_FALSE(pool.leave(second, now));
    auto released = pool.release(server, kMe, now, false);
    CHECK(released.grant.client == first.client);
    CHECK(server.load_owner().worker == kOther);
    released = pool.release(server, kOther, now, false);
    CHECK(released.grant.client == third.client);
    CHECK(pool.release(server, kOther, now, false).kind == Kind::Idle);
}

TEST_CASE_FIXTURE(Fixture, "no more connections are opened than the size and the waiters need") {
    for (int i = 0; i < 5; ++i) {
        const auto acquired = pool.acquire(waiter(), kMe, now);
        CHECK((acquired.open != nullptr) == (i < 2));
        CHECK_FALSE(acquired.is_starved);
    }
    check_counts(0, 0, 2, 5);
    settings.size = 0;  // unlimited
    configure();
    CHECK(pool.acquire(waiter(), kMe, now).open != nullptr);
}

TEST_CASE_FIXTURE(Fixture, "only so many logins run at a time") {
    settings.size = 10;
    settings.login_burst = 3;
    configure();
    for (int i = 0; i < 6; ++i)
        CHECK((pool.acquire(waiter(), kMe, now).open != nullptr) == (i < 3));
    check_counts(0, 0, 3, 6);
}

TEST_CASE_FIXTURE(Fixture, "the reserve is used when somebody has waited long enough") {
    settings.size = 1;
    settings.reserve = 1;
    settings.reserve_timeout = seconds(5);
    configure();
    open_idle();
    ServerConnection& a = lease();
    CHECK(pool.acquire(waiter(), kMe, now).open == nullptr);
    now = now + seconds(5);
    CHECK(pool.want_open(kMe, Instant{now.us - 1}) == nullptr);
    ServerConnection* b = pool.want_open(kMe, now);
    REQUIRE(b != nullptr);
    CHECK(pool.acquire(waiter(), kMe, now).open == nullptr);  // the reserve is used up
    b->connected_at = now;
    CHECK(pool.release(*b, kMe, now, true).kind == Kind::Granted);
    CHECK(pool.release(a, kMe, now, false).kind == Kind::Granted);
    // Nobody waits any more: a surplus connection is closed.
    CHECK(pool.release(*b, kMe, now, false).kind == Kind::MustClose);
    pool.retire(*b, kMe, now, std::nullopt);
    CHECK(pool.release(a, kMe, now, false).kind == Kind::Idle);
    check_counts(1, 0, 0, 0);
}

TEST_CASE_FIXTURE(Fixture, "a shared limit refuses, is marked, and gives way again") {
    settings.size = 10;
    configure();
    database.servers.set_limit(1);
    ServerConnection& a = open_idle();
    CHECK(&lease() == &a);
    auto acquired = pool.acquire(waiter(), kMe, now);
    CHECK(acquired.open == nullptr);
    CHECK(acquired.is_starved);
    CHECK(database.servers.starved.load());
    check_counts(0, 1, 0, 1);
    const auto retired = pool.retire(a, kMe, now, std::nullopt);
    CHECK(retired.relieves);
    CHECK(retired.open == nullptr);
    check_counts(0, 0, 0, 1);
    CHECK(pool.want_open(kMe, now) != nullptr);

    database.servers.set_limit(0);
    user.servers.set_limit(1);
    acquired = pool.acquire(waiter(), kMe, now);
    CHECK(acquired.is_starved);
    CHECK(user.servers.starved.load());
    check_counts(0, 0, 1, 2);  // the unit of the database went back
}

TEST_CASE_FIXTURE(Fixture, "a retired slot is used again with a new generation") {
    ServerConnection& a = open_idle();
    lease();
    const uint32_t generation = a.generation;
    const auto retired = pool.retire(a, kMe, now, std::nullopt);
    CHECK(retired.open == nullptr);
    check_counts(0, 0, 0, 0);
    CHECK(a.load_owner().state == LedgerState::Free);
    CHECK(pool.acquire(waiter(), kMe, now).open == &a);
    CHECK(a.generation != generation);
}

TEST_CASE_FIXTURE(Fixture, "a closed connection is replaced for those who wait") {
    settings.size = 1;
    configure();
    open_idle();
    ServerConnection& a = lease();
    pool.acquire(waiter(), kMe, now);
    const auto retired = pool.retire(a, kMe, now, std::nullopt);
    REQUIRE(retired.open != nullptr);
    CHECK(retired.failed.empty());
    check_counts(0, 0, 1, 1);
}

TEST_CASE_FIXTURE(Fixture, "a refused login is told to those who wait and to those who come") {
    const Error refusal("28P01", "no");
    Waiter& w = waiter();
    ServerConnection* server = pool.acquire(w, kMe, now).open;
    const auto retired = pool.retire(*server, kMe, now, refusal);
    REQUIRE(retired.failed.size() == 1);
    CHECK(retired.failed[0].client == w.client);
    CHECK(retired.failed[0].server == nullptr);
    CHECK(pool.counts().is_failing);
    const auto next = pool.acquire(waiter(), kMe, now + milliseconds(50));
    REQUIRE(next.refused.has_value());
    CHECK(next.refused->message == "no");
    CHECK_FALSE(next.is_queued);
    check_counts(0, 0, 0, 0);
    // After the pause one trial is made, one at a time.
    const auto trial = pool.acquire(waiter(), kMe, now + milliseconds(100));
    REQUIRE(trial.open != nullptr);
    CHECK(pool.acquire(waiter(), kMe, now + milliseconds(100)).open == nullptr);
    const auto released = pool.release(*trial.open, kMe, now + milliseconds(150), true);
    CHECK(released.kind == Kind::Granted);
    CHECK(released.open != nullptr);  // healthy again: the second waiter gets one
    CHECK_FALSE(pool.counts().is_failing);
}

TEST_CASE_FIXTURE(Fixture, "those who wait go on waiting when the server is only away") {
    for (const char* state : {"08006", "57P03"}) {
        Waiter& w = waiter();
        ServerConnection* server = pool.acquire(w, kMe, now).open;
        REQUIRE(server != nullptr);
        const auto retired = pool.retire(*server, kMe, now, Error(state, "away"));
        CHECK(retired.failed.empty());
        CHECK(retired.open == nullptr);  // not before the pause is over
        CHECK(pool.counts().waiting == 1);
        now = now + seconds(20);
        server = pool.want_open(kMe, now);
        REQUIRE(server != nullptr);
        server->connected_at = now;
        CHECK(pool.release(*server, kMe, now, true).kind == Kind::Granted);
        pool.retire(*server, kMe, now, std::nullopt);
    }
}

TEST_CASE_FIXTURE(Fixture, "a paused database hands nothing out and closes what comes back") {
    ServerConnection& idle = open_idle();
    database.paused.store(true);
    const auto acquired = pool.acquire(waiter(), kMe, now);
    CHECK(acquired.server == nullptr);
    CHECK(acquired.is_queued);
    CHECK(acquired.open == nullptr);
    CHECK_FALSE(pool.match_waiter(now).has_value());
    CHECK(pool.want_open(kMe, now) == nullptr);
    database.paused.store(false);
    const auto grant = pool.match_waiter(now);
    REQUIRE(grant.has_value());
    CHECK(grant->server == &idle);
    CHECK_FALSE(pool.match_waiter(now).has_value());
    database.paused.store(true);
    CHECK(pool.release(idle, kMe, now, false).kind == Kind::MustClose);
    pool.retire(idle, kMe, now, std::nullopt);
    check_counts(0, 0, 0, 0);
}

TEST_CASE_FIXTURE(Fixture, "all waiters can be taken out at once") {
    settings.size = 1;
    configure();
    Waiter& a = waiter();
    Waiter& b = waiter();
    pool.acquire(a, kMe, now);
    pool.acquire(b, kMe, now);
    const auto taken = pool.take_waiters(now);
    REQUIRE(taken.size() == 2);
    CHECK(taken[0].client == a.client);
    CHECK(taken[1].client == b.client);
    CHECK_FALSE(pool.leave(a, now));
    check_counts(0, 0, 1, 0);
}

TEST_CASE_FIXTURE(Fixture, "a connection past its lifetime is closed when it comes back") {
    ServerConnection& a = open_idle();
    lease();
    now = now + seconds(3600);
    CHECK(pool.release(a, kMe, now, false).kind == Kind::MustClose);
}

TEST_CASE_FIXTURE(Fixture, "a lifetime of zero uses a connection once") {
    settings.lifetime = Duration(0);
    configure();
    ServerConnection& a = open_idle();  // new ones are kept
    lease();
    CHECK(pool.release(a, kMe, now, false).kind == Kind::MustClose);
}

TEST_CASE_FIXTURE(Fixture, "idle connections are taken when they were unused for long enough") {
    settings.idle_timeout = seconds(10);
    configure();
    ServerConnection& a = open_idle();
    std::vector<Pool::Expired> taken;
    pool.take_expired(kMe, Instant{now.us + 9'999'999}, taken);
    CHECK(taken.empty());
    pool.take_expired(kOther, now + seconds(10), taken);
    REQUIRE(taken.size() == 1);
    CHECK(taken[0].server == &a);
    CHECK(taken[0].reason == std::string_view("server idle timeout"));
    CHECK(a.load_owner().worker == kOther);
    check_counts(0, 1, 0, 0);
}

TEST_CASE_FIXTURE(Fixture, "idle connections past their lifetime are taken one after the other") {
    open_two_idle();
    std::vector<Pool::Expired> taken;
    now = now + seconds(3600);
    pool.take_expired(kMe, now, taken);
    CHECK(taken.size() == 1);
    pool.take_expired(kMe, now + seconds(1799), taken);  // lifetime / size later
    CHECK(taken.size() == 1);
    pool.take_expired(kMe, now + seconds(1800), taken);
    CHECK(taken.size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "all idle connections can be taken at once") {
    open_two_idle();
    std::vector<ServerConnection*> taken;
    pool.take_all_idle(kOther, taken);
    CHECK(taken.size() == 2);
    check_counts(0, 2, 0, 0);
}

TEST_CASE_FIXTURE(Fixture, "a pool at its minimum keeps unused connections") {
    settings.size_min = 2;
    settings.idle_timeout = seconds(10);
    configure();
    open_two_idle();
    std::vector<Pool::Expired> taken;
    pool.take_expired(kMe, now + seconds(10), taken);
    CHECK(taken.empty());
}

TEST_CASE_FIXTURE(Fixture, "unused connections are taken down to the minimum, not below it") {
    settings.size_min = 1;
    settings.idle_timeout = seconds(10);
    configure();
    open_two_idle();
    std::vector<Pool::Expired> taken;
    pool.take_expired(kMe, now + seconds(10), taken);
    CHECK(taken.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a recycled pool keeps no connection of before") {
    ServerConnection& a = open_idle();
    lease();
    pool.recycle();
    CHECK(pool.release(a, kMe, now, false).kind == Kind::MustClose);
    pool.retire(a, kMe, now, std::nullopt);
    ServerConnection& b = open_idle();
    CHECK(&lease() == &b);
    CHECK(pool.release(b, kMe, now, false).kind == Kind::Idle);
}

TEST_CASE_FIXTURE(Fixture, "an idle connection is taken only by those who know its present life") {
    ServerConnection& a = open_idle();
    const auto generation = static_cast<uint16_t>(a.generation);
    CHECK_FALSE(pool.take_idle(a, static_cast<uint16_t>(generation + 1), kMe));
    CHECK_FALSE(pool.take_idle(a, generation, kOther));
    CHECK(pool.take_idle(a, generation, kMe));
    CHECK_FALSE(pool.take_idle(a, generation, kMe));
    pool.release(a, kMe, now, false);
    Instant since;
    CHECK(pool.take_lru_idle(kNoWorker, &since) == &a);  // only a look
    CHECK(since == now);
    CHECK(pool.take_lru_idle(kOther, &since) == &a);
    CHECK(pool.take_lru_idle(kOther, &since) == nullptr);
    check_counts(0, 1, 0, 0);
}

TEST_CASE_FIXTURE(Fixture, "the minimum is opened ahead for a pool that is in use") {
    settings.size_min = 2;
    configure();
    CHECK(pool.want_open(kMe, now) == nullptr);
    group.clients.store(1);
    CHECK(pool.want_open(kMe, now) == nullptr);  // nobody has logged in: as whom?
    ServerCredentials who;
    who.user = "bob";
    group.set_credentials(who);
    CHECK(pool.want_open(kMe, now) != nullptr);
    CHECK(pool.want_open(kOther, now) != nullptr);
    CHECK(pool.want_open(kMe, now) == nullptr);
    check_counts(0, 0, 2, 0);
}

TEST_CASE_FIXTURE(Fixture, "the minimum does not take a shared limit from others") {
    settings.size_min = 2;
    settings.has_forced_user = true;
    configure();
    ServerCredentials who;
    who.user = "bob";
    group.set_credentials(who);
    database.servers.set_limit(1);
    CHECK(pool.want_open(kMe, now) != nullptr);
    CHECK(pool.want_open(kMe, now) == nullptr);
    CHECK_FALSE(database.servers.starved.load());
}

TEST_CASE_FIXTURE(Fixture, "the same secret again keeps the keys, another one does not") {
    ServerCredentials who;
    who.user = "bob";
    who.secret = SecretString("one");
    who.derived_keys = std::make_shared<DerivedKeys>();
    group.set_credentials(who);
    who.derived_keys.reset();
    group.set_credentials(who);
    CHECK(group.credentials().derived_keys != nullptr);
    who.secret = SecretString("two");
    group.set_credentials(who);
    CHECK(group.credentials().derived_keys == nullptr);
    CHECK(group.credentials().secret.view() == "two");
}

// The host that the next connection goes to, which then fails with `error`, or is good.
size_t try_host(Fixture& f, const std::optional<Error>& error) {
    Pool::Acquired got = f.pool.acquire(f.waiter(), kMe, f.now);
    REQUIRE(got.open != nullptr);
    ServerConnection* open = got.open;
    const size_t host = f.pool.next_host(3, f.now);
    open->host_turn = static_cast<uint32_t>(host);
    if (error) {
        Pool::Retired retired = f.pool.retire(*open, kMe, f.now, error);
        f.waiters.back().is_linked() ? (void)f.pool.leave(f.waiters.back(), f.now) : (void)0;
        if (retired.open != nullptr) (void)f.pool.retire(*retired.open, kMe, f.now, std::nullopt);
    } else {
        REQUIRE(f.pool.release(*open, kMe, f.now, true).kind == Kind::Granted);
        (void)f.pool.retire(*open, kMe, f.now, std::nullopt);
    }
    return host;
}

TEST_CASE_FIXTURE(Fixture, "hosts of a list go round, those that cannot be reached are left out") {
    DatabaseConfig list;
    list.hosts = {"a", "b", "c"};
    pool.configure(settings, list);
    const Error dead("08006", "connect failed");
    CHECK(try_host(*this, std::nullopt) == 0);
    CHECK(try_host(*this, dead) == 1);
    CHECK_FALSE(pool.is_failing());  // others are there
    CHECK(try_host(*this, std::nullopt) == 2);
    CHECK(try_host(*this, std::nullopt) == 0);
    CHECK(try_host(*this, std::nullopt) == 2);
    now = now + seconds(15);  // server_login_retry
    CHECK(try_host(*this, std::nullopt) == 0);
    CHECK(try_host(*this, std::nullopt) == 1);
    // What a server says of a user, it says everywhere.
    CHECK(try_host(*this, Error("28P01", "wrong password")) == 2);
    CHECK(pool.is_failing());
}

TEST_CASE_FIXTURE(Fixture, "when no host can be reached, the pool pauses as always") {
    DatabaseConfig list;
    list.hosts = {"a", "b", "c"};
    pool.configure(settings, list);
    const Error starting("57P03", "starting up");
    CHECK(try_host(*this, starting) == 0);
    CHECK(try_host(*this, starting) == 1);
    CHECK_FALSE(pool.is_failing());
    CHECK(try_host(*this, starting) == 2);
    CHECK(pool.is_failing());
    now = now + seconds(20);
    CHECK(try_host(*this, std::nullopt) == 0);
    CHECK_FALSE(pool.is_failing());
}

TEST_CASE_FIXTURE(Fixture, "load_balance_hosts = disable keeps to a host until it fails") {
    DatabaseConfig list;
    list.hosts = {"a", "b", "c"};
    list.load_balance_hosts = LoadBalanceHosts::Disable;
    pool.configure(settings, list);
    CHECK(try_host(*this, std::nullopt) == 0);
    CHECK(try_host(*this, std::nullopt) == 0);
    CHECK(try_host(*this, Error("08006", "connect failed")) == 0);
    CHECK(try_host(*this, std::nullopt) == 1);
    now = now + seconds(30);
    CHECK(try_host(*this, std::nullopt) == 1);
}

TEST_CASE_FIXTURE(Fixture, "connections to an address that is gone are closed, others are not") {
    const auto lead_to = [](ServerConnection& server, const char* ip) {
        server.host = "db.example";
        server.address = *Address::from_ip(ip, 5432);
    };
    lead_to(open_idle(), "10.0.0.1");
    ServerConnection& leased = lease();
    ServerConnection& idle = open_idle();
    lead_to(idle, "10.0.0.1");
    std::vector<ServerConnection*> taken;
    pool.take_gone("db.example", {"10.0.0.2"}, kMe, taken);
    pool.take_gone("other.example", {"10.0.0.1"}, kMe, taken);
    CHECK(taken.empty());
    pool.take_gone("db.example", {"10.0.0.2", "10.0.0.1"}, kMe, taken);
    REQUIRE(taken.size() == 1);
    CHECK(taken[0] == &idle);
    (void)pool.retire(idle, kMe, now, std::nullopt);
    const Pool::Released released = pool.release(leased, kMe, now, false);
    CHECK(released.kind == Kind::MustClose);
    CHECK(std::string(released.reason) == "close_needed");
}

TEST_CASE_FIXTURE(Fixture, "a slot can be handed to another worker to open") {
    ServerConnection* a = pool.acquire(waiter(), kMe, now).open;
    pool.hand_over(*a, kOther);
    CHECK(a->load_owner() == ServerOwner{LedgerState::Opening, kOther, a->generation});
    CHECK(pool.release(*a, kOther, now, true).kind == Kind::Granted);
}

TEST_CASE_FIXTURE(Fixture, "a removed database keeps nothing") {
    ServerConnection& a = open_idle();
    lease();
    database.removed.store(true);
    CHECK(pool.release(a, kMe, now, false).kind == Kind::MustClose);
}

// ---- size ----

// Counters of one worker, as queries of so many transactions leave them.
void serve(Pool& pool, uint64_t transactions, Duration each) {
    pool.counters()[0].transactions.add(transactions);
    pool.counters()[0].query_us.add(transactions * static_cast<uint64_t>(each.count()));
}

struct SizeFixture : Fixture {
    SizeFixture() {
        settings.size = 20;
        settings.idle_timeout = seconds(1);
        configure();
    }
    // So many leased connections.
    void lease_many(size_t count) {
        for (size_t i = 0; i < count; ++i) {
            Waiter& w = waiter();
            const auto acquired = pool.acquire(w, kMe, now);
            REQUIRE(acquired.open != nullptr);
            acquired.open->connected_at = now;
            CHECK(pool.release(*acquired.open, kMe, now, true).kind == Kind::Granted);
            leased.push_back(acquired.open);
        }
    }
    void release_all() {
        for (ServerConnection* server : leased)
            CHECK(pool.release(*server, kMe, now, false).kind == Kind::Idle);
        leased.clear();
    }
    size_t expire() {
        std::vector<Pool::Expired> taken;
        pool.take_expired(kMe, now, taken);
        for (const Pool::Expired& it : taken)
            pool.retire(*it.server, kMe, now, std::nullopt);
        return taken.size();
    }
    // A second of overload: everything in use, somebody waiting, queries of this length.
    void overload(Duration each) {
        now = now + seconds(1);
        serve(pool, 1000, each);
        pool.resize(now);
    }

    std::vector<ServerConnection*> leased;
};

TEST_CASE_FIXTURE(SizeFixture,
                  "cold clients are given as many logins at once as the burst allows") {
    settings.size = 64;
    configure();
    for (int i = 0; i < 64; ++i)
        CHECK((pool.acquire(waiter(), kMe, now).open != nullptr) == (i < 32));
    CHECK(pool.size_view().burst == 32);
}

TEST_CASE_FIXTURE(SizeFixture, "unused connections go a tenth at a time, the coldest first") {
    lease_many(20);
    release_all();
    ServerConnection& warm = lease();
    now = now + seconds(2);
    CHECK(pool.release(warm, kMe, now, false).kind == Kind::Idle);
    std::vector<Pool::Expired> taken;
    pool.take_expired(kMe, now, taken);
    REQUIRE(taken.size() == 2);
    for (const Pool::Expired& it : taken) {
        CHECK(it.server != &warm);
        pool.retire(*it.server, kMe, now, std::nullopt);
    }
    size_t ticks = 1;
    while (expire() > 0)
        ++ticks;
    CHECK(ticks > 9);
    check_counts(1, 0, 0, 0);  // the warm one
    now = now + seconds(1);
    CHECK(expire() == 1);
    check_counts(0, 0, 0, 0);
}

TEST_CASE_FIXTURE(SizeFixture,
                  "a fixed pool closes all that was unused at once, not below its minimum") {
    settings.sizing = SizingMode::Fixed;
    settings.size_min = 3;
    configure();
    lease_many(20);
    release_all();
    now = now + seconds(1);
    CHECK(expire() == 17);
    check_counts(3, 0, 0, 0);
    CHECK(pool.size_view().target == 20);
}

TEST_CASE_FIXTURE(SizeFixture, "the target follows what was wanted at once, between samples too") {
    pool.resize(now);
    CHECK(pool.size_view().target == 1);
    lease_many(10);
    release_all();
    pool.resize(now + milliseconds(999));  // too soon
    CHECK(pool.size_view().target == 1);
    pool.resize(now + seconds(1));
    CHECK(pool.size_view().target == 11);
    pool.resize(now + seconds(40));  // the peak is forgotten
    CHECK(pool.size_view().target == 1);
}

TEST_CASE_FIXTURE(SizeFixture, "lifetimes differ by a fifth, and none is longer than configured") {
    lease_many(20);
    release_all();
    settings.size = 0;  // unlimited: not spaced
    settings.sizing = SizingMode::Fixed;
    settings.idle_timeout = Duration(0);
    configure();
    now = now + (seconds(3600 * 4 / 5) - Duration(1));
    CHECK(expire() == 0);
    now = now + seconds(360);
    const size_t half = expire();
    CHECK(half > 2);
    CHECK(half < 18);
    now = now + seconds(361);
    CHECK(expire() == 20 - half);
}

TEST_CASE_FIXTURE(SizeFixture, "a shorter server_lifetime counts for connections that are there") {
    lease_many(1);
    release_all();
    settings.lifetime = seconds(10);
    settings.idle_timeout = Duration(0);
    configure();
    now = now + seconds(10);
    CHECK(expire() == 1);
}

TEST_CASE_FIXTURE(SizeFixture, "an adaptive ceiling sinks when queries get slower, and recovers") {
    settings.sizing = SizingMode::Adaptive;
    settings.reserve = 5;
    settings.reserve_timeout = milliseconds(1);
    configure();
    lease_many(20);
    CHECK(pool.acquire(waiter(), kMe, now).is_queued);
    CHECK(pool.acquire(waiter(), kMe, now).is_queued);
    overload(milliseconds(10));
    CHECK(pool.size_view().ceiling == 20);
    for (int i = 0; i < 3; ++i)
        overload(milliseconds(100));
    const uint32_t ceiling = pool.size_view().ceiling;
    CHECK(ceiling < 18);
    // What comes back is closed although somebody waits; a tenth of the pool in a second.
    int closed = 0;
    while (pool.release(*leased.back(), kMe, now, false).kind == Kind::MustClose) {
        CHECK(pool.retire(*leased.back(), kMe, now, std::nullopt).open == nullptr);
        leased.pop_back();
        ++closed;
    }
    CHECK(closed == 2);
    // Neither the reserve nor a waiter who has waited long gets past the ceiling.
    CHECK(pool.want_open(kMe, now + seconds(60)) == nullptr);
    for (int i = 0; i < 60; ++i)
        overload(milliseconds(10));
    CHECK(pool.size_view().ceiling == 20);
    CHECK(pool.want_open(kMe, now) != nullptr);
}

TEST_CASE_FIXTURE(SizeFixture, "the reserve that is in use is no surplus of an unlowered ceiling") {
    settings.size = 2;
    settings.reserve = 1;
    settings.reserve_timeout = milliseconds(1);
    for (const SizingMode mode : {SizingMode::Demand, SizingMode::Adaptive}) {
        settings.sizing = mode;
        configure();
        lease_many(2);
        pool.acquire(waiter(), kMe, now);
        now = now + seconds(1);
        ServerConnection* reserve = pool.want_open(kMe, now);
        REQUIRE(reserve != nullptr);
        reserve->connected_at = now;
        CHECK(pool.release(*reserve, kMe, now, true).kind == Kind::Granted);
        pool.resize(now);
        pool.acquire(waiter(), kMe, now);
        CHECK(pool.release(*reserve, kMe, now, false).kind == Kind::Granted);
        CHECK(pool.release(*reserve, kMe, now, false).kind == Kind::MustClose);  // nobody waits
        pool.retire(*reserve, kMe, now, std::nullopt);
        for (ServerConnection* server : leased)
            pool.retire(*server, kMe, now, std::nullopt);
        leased.clear();
    }
}

TEST_CASE_FIXTURE(SizeFixture, "a ceiling that trembles closes nothing") {
    settings.sizing = SizingMode::Adaptive;
    configure();
    lease_many(20);
    overload(milliseconds(10));
    overload(milliseconds(20));  // below 20 for one second
    CHECK(pool.size_view().ceiling < 20);
    CHECK(pool.release(*leased.back(), kMe, now, false).kind == Kind::Idle);
}

TEST_CASE_FIXTURE(SizeFixture,
                  "logins that ask for less lower an adaptive ceiling, waiters that leave do not") {
    settings.sizing = SizingMode::Adaptive;
    settings.size_min = 17;
    configure();
    pool.resize(now);
    for (int i = 0; i < 5; ++i) {
        Waiter& w = waiter();
        (void)pool.acquire(w, kMe, now);
        now = now + seconds(1);
        CHECK(pool.leave(w, now));
        pool.resize(now);
    }
    CHECK(pool.size_view().ceiling == 20);
    pool.note_capacity_signal();
    pool.resize(now = now + seconds(1));
    CHECK(pool.size_view().ceiling == 18);
    pool.note_capacity_signal();
    pool.resize(now = now + seconds(1));
    CHECK(pool.size_view().ceiling == 17);  // the minimum
    settings.sizing = SizingMode::Demand;
    configure();
    CHECK(pool.size_view().ceiling == 20);
}

TEST_CASE_FIXTURE(SizeFixture, "an unlimited pool has no ceiling") {
    settings.size = 0;
    settings.sizing = SizingMode::Adaptive;
    configure();
    pool.note_capacity_signal();
    pool.resize(now);
    lease_many(50);
    CHECK(pool.size_view().target <= SizeControl::kUnlimited);
}

TEST_CASE_FIXTURE(SizeFixture, "a raised pool_size raises a ceiling that nothing has lowered") {
    settings.sizing = SizingMode::Adaptive;
    settings.size = 50;
    configure();
    CHECK(pool.size_view().ceiling == 50);
    pool.resize(now);
    settings.size = 70;
    configure();
    CHECK(pool.size_view().ceiling == 70);
}

TEST_CASE_FIXTURE(
    Fixture, "many logins that fail at one moment cost one short pause, and the ramp begins anew") {
    settings.size = 40;
    configure();
    std::vector<ServerConnection*> opening;
    for (int i = 0; i < 40; ++i) {
        if (auto* server = pool.acquire(waiter(), kMe, now).open) opening.push_back(server);
    }
    REQUIRE(opening.size() == 32);
    for (ServerConnection* server : opening)
        CHECK(pool.retire(*server, kMe, now, Error("08006", "away")).failed.empty());
    CHECK(pool.size_view().failures == 1);
    CHECK(pool.size_view().burst == 1);
    now = now + milliseconds(100);
    ServerConnection* trial = pool.want_open(kMe, now);
    REQUIRE(trial != nullptr);
    CHECK(pool.want_open(kMe, now) == nullptr);
    trial->connected_at = now;
    CHECK(pool.release(*trial, kMe, now, true).open != nullptr);
    CHECK(pool.want_open(kMe, now) != nullptr);
    CHECK(pool.want_open(kMe, now) == nullptr);  // two at a time now
    CHECK(pool.size_view().retry_at.is_never());
    configure();  // RELOAD
    CHECK(pool.size_view().burst == 2);
}

// ---- fair shares ----

TEST_CASE_FIXTURE(
    SizeFixture, "who has more than a share gives back what is owed, and opens nothing meanwhile") {
    settings.size = 6;
    configure();
    lease_many(6);
    pool.acquire(waiter(), kMe, now);
    pool.acquire(waiter(), kMe, now);
    pool.set_share(4);
    CHECK(pool.release(*leased[0], kMe, now, false).kind == Kind::Granted);  // nothing is owed
    database.shares.owed.store(1);
    database.shares.is_contended.store(true);
    CHECK(pool.must_yield());
    CHECK(pool.release(*leased[1], kMe, now, false).kind == Kind::MustClose);
    CHECK(database.servers.leaving() == 1);
    CHECK(pool.retire(*leased[1], kMe, now, std::nullopt).open == nullptr);
    CHECK(database.servers.leaving() == 0);
    CHECK(pool.want_open(kMe, now) == nullptr);
    CHECK(pool.release(*leased[2], kMe, now, false).kind == Kind::Granted);  // one was owed
    database.shares.owed.store(9);
    for (size_t i = 3; i < 6; ++i) {
        const bool is_over = i == 3;  // five, of which one goes: its share is left
        const auto released = pool.release(*leased[i], kMe, now, false);
        CHECK((released.kind == Kind::MustClose) == is_over);
        if (is_over) pool.retire(*leased[i], kMe, now, std::nullopt);
    }
    database.shares.is_contended.store(false);
    CHECK_FALSE(pool.must_yield());
}

TEST_CASE_FIXTURE(
    SizeFixture,
    "within its share a pool keeps its connection while others want more than theirs") {
    lease_many(1);
    database.servers.starved.store(true);
    pool.set_share(1);
    CHECK(pool.release(*leased[0], kMe, now, false).kind == Kind::Idle);
    lease();
    user.servers.starved.store(true);  // of this there are no shares
    CHECK(pool.release(*leased[0], kMe, now, false).kind == Kind::MustClose);
    user.servers.starved.store(false);
    database.shares.is_contended.store(true);  // somebody has less than a share
    CHECK(pool.release(*leased[0], kMe, now, false).kind == Kind::MustClose);
}

TEST_CASE_FIXTURE(SizeFixture, "a pool is in want of what it could open") {
    pool.set_share(3);
    CHECK(pool.share_need(now).owed == 0);
    database.servers.set_limit(1);
    lease_many(1);
    for (int i = 0; i < 5; ++i)
        pool.acquire(waiter(), kMe, now);
    CHECK(pool.share_need(now).owed == 2);
    CHECK(pool.share_need(now).modest == 2);
    pool.set_share(0);
    CHECK(pool.share_need(now).owed == 0);
    CHECK(pool.share_need(now).modest == 0);  // it has one
    pool.set_share(3);
    user.servers.set_limit(1);
    CHECK(pool.share_need(now).owed == 0);  // its user may not have more
    user.servers.set_limit(0);
    database.paused.store(true);
    CHECK(pool.share_need(now).owed == 0);
    database.paused.store(false);
    settings.size = 2;
    configure();
    CHECK(pool.share_need(now).owed == 1);
    const auto claim = pool.share_claim(now);
    CHECK(claim.wanted == 6);
    CHECK(claim.pinned == 0);
    CHECK(claim.max == 2);
    settings.is_session_pooling = true;
    configure();
    CHECK(pool.share_claim(now).pinned == 1);
    CHECK(pool.share_claim(now).wanted == 5);
}

TEST_CASE_FIXTURE(Fixture, "random use keeps every sum, limit and the order of waiting") {
    Prng prng(17);
    settings.size = 4;
    settings.login_burst = 2;
    configure();
    database.servers.set_limit(3);
    std::vector<ServerConnection*> opening, leased;
    std::vector<Waiter*> resting, queued;
    for (int i = 0; i < 12; ++i)
        resting.push_back(&waiter());
    uint64_t last_granted = 0;
    const auto take_open = [&](ServerConnection* server) {
        if (server != nullptr) opening.push_back(server);
    };
    const auto close = [&](ServerConnection* server, const std::optional<Error>& failure) {
        const auto retired = pool.retire(*server, kMe, now, failure);
        take_open(retired.open);
        if (!retired.failed.empty()) {
            resting.insert(resting.end(), queued.begin(), queued.end());
            queued.clear();
        }
    };
    const auto granted = [&](const Grant& grant) {
        if (grant.ticket <= last_granted) FAIL("out of order");
        last_granted = grant.ticket;
        for (size_t i = 0; i < queued.size(); ++i) {
            if (!(queued[i]->client == grant.client)) continue;
            resting.push_back(queued[i]);
            queued.erase(queued.begin() + static_cast<std::ptrdiff_t>(i));
            break;
        }
        leased.push_back(grant.server);
    };
    const auto pick = [&](auto& from) {
        const size_t at = prng.below(from.size());
        auto* item = from[at];
        from.erase(from.begin() + static_cast<std::ptrdiff_t>(at));
        return item;
    };
    for (int step = 0; step < 50'000; ++step) {
        now = now + milliseconds(prng.below(50));
        const uint64_t dice = prng.below(10);
        if (dice < 4 && !resting.empty()) {
            Waiter* w = pick(resting);
            const auto acquired = pool.acquire(*w, kMe, now);
            take_open(acquired.open);
            if (acquired.server != nullptr) leased.push_back(acquired.server);
            (acquired.is_queued ? queued : resting).push_back(w);
        } else if (dice == 4 && !queued.empty()) {
            Waiter* w = pick(queued);
            if (!pool.leave(*w, now)) FAIL(step);
            resting.push_back(w);
        } else if (dice < 7 && !leased.empty()) {
            ServerConnection* server = pick(leased);
            const auto released = pool.release(*server, kMe, now, false);
            take_open(released.open);
            if (released.kind == Kind::Granted) granted(released.grant);
            if (released.kind == Kind::MustClose) close(server, std::nullopt);
        } else if (dice == 7 && !leased.empty() && prng.chance(20)) {
            close(pick(leased), std::nullopt);
        } else if (dice == 8 && !opening.empty()) {
            ServerConnection* server = pick(opening);
            if (prng.chance(20)) {
                close(server, Error(prng.chance(50) ? "28P01" : "08006", "no"));
            } else {
                server->connected_at = now;
                const auto released = pool.release(*server, kMe, now, true);
                take_open(released.open);
                if (released.kind == Kind::Granted) granted(released.grant);
                if (released.kind == Kind::MustClose) close(server, std::nullopt);
            }
        } else if (dice == 9) {
            take_open(pool.want_open(kMe, now));
        }
        const Pool::Counts c = pool.counts();
        const size_t total = c.idle + c.leased + c.opening;
        if (c.opening != opening.size() || c.leased != leased.size()) FAIL(step);
        if (c.waiting != queued.size() || total > 3 || c.opening > 2) FAIL(step);
        if (database.servers.used() != static_cast<int>(total)) FAIL(step);
        if (user.servers.used() != static_cast<int>(total)) FAIL(step);
        if (c.idle > 0 && c.waiting > 0) FAIL("idle while somebody waits");
    }
    CHECK(last_granted > 1000);
}

}  // namespace
}  // namespace weir::pool_test
