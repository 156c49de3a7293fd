// The pools of one (database, user): members, welcomes, and their making from the configuration.
#include "proxy/pool/pool_group.h"

#include <doctest/doctest.h>

#include "proxy/pool/pool_set.h"

namespace weir::pool_group_test {

namespace {

BackendConfig backend(const std::string& host, int max_connections = 0) {
    BackendConfig out;
    out.name = host;
    out.host = host;
    out.max_connections = max_connections;
    return out;
}

struct Fixture {
    Fixture() {
        set({backend("a"), backend("b")});
        waiter.client.worker = 0;
    }

    void set(std::vector<BackendConfig> backends) {
        DatabaseConfig& database = config.databases["d"];
        database.name = "d";
        database.has_named_backends = true;
        database.hosts.clear();
        for (const BackendConfig& one : backends)
            database.hosts.push_back(one.host);
        database.backends = std::move(backends);
    }
    PoolGroup& group() { return pools.find_or_create(config, config.databases["d"], "u"); }

    Config config;
    EndpointTable endpoints{1};
    PoolSet pools{1, endpoints};
    Instant now{1'000'000};
    Waiter waiter;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a routed database has a pool for each backend") {
    const PoolMembers& members = group().members();
    CHECK(members.is_routed);
    REQUIRE(members.list.size() == 2);
    CHECK(members.list[0].pool != members.list[1].pool);
    CHECK(members.list[0].pool->endpoint() == &endpoints.obtain("a", 5432));
    CHECK(members.list[1].pool->database().hosts == std::vector<std::string>{"b"});
    CHECK(&group() == &group());
}

TEST_CASE_FIXTURE(Fixture, "a new credential does not wait for what the old one was refused for") {
    const auto log_in_as = [this](const char* secret) {
        ServerCredentials credentials;
        credentials.user = "u";
        credentials.secret = SecretString(secret);
        group().set_credentials(std::move(credentials));
    };
    const auto fail_with = [this](const char* sqlstate) {
        Pool& pool = group().first();
        const Pool::Acquired acquired = pool.acquire(waiter, 0, now);
        REQUIRE(acquired.open != nullptr);
        (void)pool.leave(waiter, now);
        (void)pool.retire(*acquired.open, 0, now, Error(sqlstate, "no"));
        CHECK(pool.is_backing_off(now));
    };
    log_in_as("wrong");
    fail_with("28P01");
    log_in_as("wrong");
    CHECK(group().first().is_backing_off(now));
    log_in_as("right");
    CHECK_FALSE(group().first().is_backing_off(now));
    // What has nothing to do with it stays.
    fail_with("08006");
    log_in_as("another");
    CHECK(group().first().is_backing_off(now));
}

TEST_CASE_FIXTURE(Fixture, "a plain list of hosts is one pool that nobody judges") {
    config.databases["d"].has_named_backends = false;
    const PoolMembers& members = group().members();
    CHECK_FALSE(members.is_routed);
    REQUIRE(members.list.size() == 1);
    CHECK(members.list[0].pool->endpoint() == nullptr);
    CHECK(members.list[0].pool->database().hosts.size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "connections of before a promotion are not kept for later") {
    Pool& pool = *group().members().list[0].pool;
    const Pool::Acquired got = pool.acquire(waiter, 0, now);
    REQUIRE(got.open != nullptr);
    got.open->is_hot_standby = true;
    REQUIRE(pool.leave(waiter, now));
    REQUIRE(pool.release(*got.open, 0, now, true).kind == Pool::Released::Kind::Idle);
    std::vector<Pool::Expired> taken;
    pool.endpoint()->publish({.role = Role::Replica}, {});
    pool.take_expired(1, now, taken);
    CHECK(taken.empty());
    pool.endpoint()->publish({.role = Role::Primary}, {});
    pool.take_expired(1, now, taken);
    REQUIRE(taken.size() == 1);
    CHECK(taken[0].server == got.open);
}

TEST_CASE_FIXTURE(Fixture, "a reload adds and removes members, and keeps the rest") {
    PoolGroup& mine = group();
    Pool* a = mine.members().list[0].pool;
    Pool* b = mine.members().list[1].pool;
    const PoolMembers* before = &mine.members();
    pools.configure(config);
    CHECK(&mine.members() == before);  // nothing is new
    set({backend("b"), backend("c")});
    pools.configure(config);
    REQUIRE(mine.members().list.size() == 2);
    CHECK(mine.members().list[0].pool == b);
    CHECK(a->is_removed());
    CHECK_FALSE(b->is_removed());
    set({backend("a"), backend("b")});
    pools.configure(config);
    CHECK(mine.members().list[0].pool == a);  // the same one comes back
    CHECK_FALSE(a->is_removed());
}

TEST_CASE_FIXTURE(Fixture, "a removed pool opens nothing and keeps nothing") {
    Pool& a = *group().members().list[0].pool;
    ServerConnection* server = a.acquire(waiter, 0, now).open;
    REQUIRE(server != nullptr);
    CHECK(a.leave(waiter, now));
    set({backend("b")});
    pools.configure(config);
    CHECK(a.release(*server, 0, now, true).kind == Pool::Released::Kind::MustClose);
    a.retire(*server, 0, now, std::nullopt);
    CHECK(a.acquire(waiter, 0, now).open == nullptr);
    CHECK(a.take_waiters(now).size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "max_connections of a backend holds over all its pools") {
    set({backend("a", 1), backend("b")});
    PoolGroup& other = pools.find_or_create(config, config.databases["d"], "other");
    Waiter second;
    CHECK(group().first().acquire(waiter, 0, now).open != nullptr);
    const Pool::Acquired refused = other.first().acquire(second, 0, now);
    CHECK(refused.open == nullptr);
    CHECK(refused.is_starved);
    CHECK(other.first().are_others_starved());
    group().first().leave(waiter, now);
    other.first().leave(second, now);
    CHECK(other.members().list[1].pool->acquire(second, 0, now).open != nullptr);
    other.members().list[1].pool->leave(second, now);
}

TEST_CASE_FIXTURE(Fixture, "what is in use and who waits is told to the endpoint") {
    Pool& a = *group().members().list[0].pool;
    ServerConnection* server = a.acquire(waiter, 0, now).open;
    REQUIRE(server != nullptr);
    CHECK(a.endpoint()->in_use() == 1);
    CHECK(a.endpoint()->waiting() == 1);
    CHECK(a.release(*server, 0, now, true).kind == Pool::Released::Kind::Granted);
    CHECK(a.endpoint()->waiting() == 0);
    a.release(*server, 0, now, false);
    CHECK(a.endpoint()->in_use() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a routed pool that loses its last connection gives its waiters back") {
    Pool& a = *group().members().list[0].pool;
    ServerConnection* server = a.acquire(waiter, 0, now).open;
    REQUIRE(server != nullptr);
    const Pool::Retired retired = a.retire(*server, 0, now, Error("08006", "connect failed"));
    REQUIRE(retired.failed.size() == 1);
    CHECK(retired.failed[0].ticket == waiter.ticket);
    CHECK(a.is_failing());
    CHECK(a.is_backing_off(now));
    // Not for ever: nobody would ever find out that it is back.
    CHECK_FALSE(a.is_backing_off(now + std::chrono::seconds(20)));
    // It does not refuse those who come all the same: they are held.
    CHECK(a.acquire(waiter, 0, now).is_queued);
    a.leave(waiter, now);
}

TEST_CASE_FIXTURE(Fixture, "who has waited elsewhere keeps the place in the queue") {
    Pool& a = *group().members().list[0].pool;
    Waiter early;
    early.client.slot = 7;
    a.acquire(waiter, 0, now, now);
    a.acquire(early, 0, now, Instant{now.us - 1});
    const std::vector<Grant> order = a.take_waiters(now);
    REQUIRE(order.size() == 2);
    CHECK(order[0].client.slot == 7);
}

TEST_CASE_FIXTURE(Fixture, "servers that say the same share one welcome") {
    PoolGroup& mine = group();
    CHECK(mine.welcome() == nullptr);
    const auto first = mine.intern(Welcome{{{"a", "b"}}});
    const auto other = mine.intern(Welcome{{{"a", "c"}}});
    CHECK(first != other);
    CHECK(mine.intern(Welcome{{{"a", "b"}}}) == first);
    CHECK(mine.welcome() == first);
    for (int i = 0; i < 20; ++i)
        (void)mine.intern(Welcome{{{"a", std::to_string(i)}}});
    CHECK(*mine.welcome() == Welcome{{{"a", "19"}}});
    mine.forget_welcomes();
    CHECK(mine.welcome() == nullptr);
}

TEST_CASE_FIXTURE(Fixture, "an outage is counted from its first victim until somebody is served") {
    PoolGroup& mine = group();
    CHECK(mine.unserved_since(1).is_never());
    mine.note_unserved(1, now);
    mine.note_unserved(1, now + std::chrono::seconds(1));
    CHECK(mine.unserved_since(1) == now);
    CHECK(mine.unserved_since(0).is_never());
    mine.note_served(1);
    CHECK(mine.unserved_since(1).is_never());
}

TEST_CASE_FIXTURE(Fixture,
                  "what was routed is counted over reloads; a plain database counts nothing") {
    group().route_counters(0).sent(RouteReason(), RouteTarget::Primary);
    set({backend("b"), backend("c")});
    pools.configure(config);
    config.databases["d"].has_named_backends = false;
    pools.configure(config);
    REQUIRE_FALSE(group().members().is_routed);
    REQUIRE(group().route_totals());
    CHECK(group().route_totals()->sent_to[0][0] == 1);
    CHECK_FALSE(
        pools.find_or_create(config, config.databases["d"], "other").route_totals().has_value());
}

TEST_CASE_FIXTURE(Fixture, "a sketch has the members that a login would make, and leaves nothing") {
    CHECK(pools.find({"d", "u"}) == nullptr);
    {
        const auto sketch = pools.sketch(config, config.databases["d"], "u");
        REQUIRE(sketch->members().list.size() == 2);
        CHECK(sketch->members().is_routed);
        CHECK(sketch->members().list[1].pool->endpoint() == &endpoints.obtain("b", 5432));
    }
    CHECK(pools.find({"d", "u"}) == nullptr);
    CHECK(pools.find_database("d") == nullptr);
    size_t users = 0;
    pools.for_each_user([&users](UserState&) { ++users; });
    CHECK(users == 0);
    CHECK(pools.find(group().key()) == &group());
}

}  // namespace weir::pool_group_test
