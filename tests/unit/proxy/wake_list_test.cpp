// Goal: pools in which nothing is under way cost nothing, and whatever changes them, or becomes
// due, is noticed; groups that nobody uses go, nobody else's do. Method: a PoolSet, and the janitor
// with an Exchange that keeps what it is given.
#include "proxy/pool/wake_list.h"

#include <doctest/doctest.h>

#include <deque>

#include "proxy/janitor.h"

namespace weir::wake_list_test {
namespace {

using std::chrono_literals::operator""s;

class Mail final : public Exchange {
  public:
    void post(WorkerId, WorkerMessage message) override { messages.push_back(std::move(message)); }
    void post_grant(const Grant&) override {}
    void post_control(ControlMessage) override {}
    [[nodiscard]] unsigned workers() const override { return 2; }
    Io& io(WorkerId) override { std::abort(); }
    std::deque<WorkerMessage> messages;
};

struct Fixture {
    Fixture() {
        DatabaseConfig star;
        star.name = "*";
        config.wildcard_database = star;
        for (const char* name : {"a", "b"}) {
            DatabaseConfig& entry = config.databases[name];
            entry.name = name;
            entry.hosts = {"h"};
        }
        configure();
    }
    void configure() { pools.configure(config); }
    PoolGroup& enter(const std::string& database, const std::string& user = "u") {
        const Result<PoolGroup*> entered =
            pools.enter(config, *config.find_database(database), user, user);
        REQUIRE(entered);
        (*entered)->first().wake();
        return **entered;
    }
    void leave(PoolGroup& group, const std::string& user = "u") {
        group.database_state().clients.release();
        group.leave(now);
        pools.user(config, user).clients.release();
    }
    void pass(Duration time) {
        // Ticks as far apart as matters here.
        const Instant end = now + time;
        while (now < end) {
            now = now + std::min(Duration(1s), end - now);
            janitor.tick(now);
        }
    }
    [[nodiscard]] size_t awake() { return pools.wakes().awake().size(); }
    size_t groups() {
        size_t count = 0;
        pools.for_each_group([&count](PoolGroup&) { ++count; });
        return count;
    }
    // A client of worker 0 gets a new connection, uses it and gives it back.
    void use(Pool& pool) {
        Waiter waiter;
        waiter.client = {1, 1, 0};
        Pool::Acquired got = pool.acquire(waiter, 0, now);
        if (got.open != nullptr) {
            got.open->id = 1;
            got.open->connected_at = now;
            const Pool::Released released = pool.release(*got.open, 0, now, true);
            REQUIRE(released.kind == Pool::Released::Kind::Granted);
            got.server = released.grant.server;
        }
        REQUIRE(got.server != nullptr);
        CHECK(pool.release(*got.server, 0, now, false).kind == Pool::Released::Kind::Idle);
    }
    // What a worker does of a connection that the janitor has taken.
    void close_all_taken() {
        for (WorkerMessage& message : mail.messages) {
            if (message.kind != WorkerMessage::Kind::CloseServer) continue;
            const WorkerId owner = message.server->load_owner().worker;
            (void)message.server->pool->retire(*message.server, owner, now, std::nullopt);
        }
        mail.messages.clear();
    }

    Config config;
    EndpointTable endpoints{2};
    PoolSet pools{2, endpoints};
    Mail mail;
    Janitor janitor{pools, mail};
    Instant now{1'000'000'000};
};

TEST_CASE("a pool without work sleeps, and is woken by a client that wants a server") {
    Fixture f;
    Pool& pool = f.enter("a").first();
    CHECK(f.awake() == 1);
    f.pass(2s);
    CHECK(f.awake() == 0);
    CHECK(f.pools.wakes().sleeping_with_alarm() == 0);
    Waiter waiter;
    waiter.client = {1, 1, 0};
    ServerConnection* opening = pool.acquire(waiter, 0, f.now).open;
    REQUIRE(opening != nullptr);
    f.pass(5s);
    CHECK(f.awake() == 1);  // as long as it is being opened
    (void)pool.leave(waiter, f.now);
    (void)pool.retire(*opening, 0, f.now, std::nullopt);
    f.pass(3s);
    CHECK(f.awake() == 0);
}

TEST_CASE("an idle connection is closed in time though its pool sleeps") {
    Fixture f;
    f.config.global.server_idle_timeout = 600s;
    f.config.global.server_lifetime = 3600s;
    f.configure();
    Pool& pool = f.enter("a").first();
    f.use(pool);
    f.pass(3s);
    CHECK(f.awake() == 0);
    CHECK(f.pools.wakes().sleeping_with_alarm() == 1);
    f.pass(590s);
    CHECK(f.mail.messages.empty());
    f.pass(10s);
    REQUIRE(f.mail.messages.size() == 1);
    CHECK(f.mail.messages[0].kind == WorkerMessage::Kind::CloseServer);
    CHECK(f.mail.messages[0].text == "server idle timeout");
    f.close_all_taken();
    f.pass(3s);
    CHECK(f.awake() == 0);
    CHECK(f.pools.wakes().sleeping_with_alarm() == 0);
}

TEST_CASE("server_lifetime ends while a pool sleeps, one after the other") {
    Fixture f;
    f.config.global.server_idle_timeout = 0s;
    f.config.global.server_lifetime = 100s;
    f.configure();
    Pool& pool = f.enter("a").first();
    f.use(pool);
    f.pass(3s);
    CHECK(f.awake() == 0);
    f.pass(98s);
    REQUIRE(f.mail.messages.size() == 1);
    CHECK(f.mail.messages[0].text == "server lifetime over");
    f.close_all_taken();
}

TEST_CASE("connections that min_pool_size keeps do not keep their pool awake") {
    Fixture f;
    f.config.global.server_idle_timeout = 10s;
    f.config.global.server_lifetime = 36000s;
    f.config.global.min_pool_size = 1;
    f.configure();
    PoolGroup& group = f.enter("a");
    ServerCredentials credentials;
    credentials.user = "u";
    group.set_credentials(credentials);
    Pool& pool = group.first();
    f.pass(1s);
    REQUIRE(f.mail.messages.size() == 1);  // OpenServer
    f.mail.messages[0].server->connected_at = f.now;
    const WorkerId opener = f.mail.messages[0].server->load_owner().worker;
    (void)pool.release(*f.mail.messages[0].server, opener, f.now, true);
    f.mail.messages.clear();
    f.pass(60s);
    CHECK(f.mail.messages.empty());
    CHECK(f.awake() == 0);
    // One more than that is closed as always.
    f.leave(group);
    f.pass(3s);
    CHECK(f.awake() == 0);
}

TEST_CASE("a reload wakes every pool once") {
    Fixture f;
    f.enter("a");
    f.enter("b");
    f.pass(2s);
    CHECK(f.awake() == 0);
    f.configure();
    CHECK(f.awake() == 2);
    f.pass(2s);
    CHECK(f.awake() == 0);
}

TEST_CASE("a pool without clients and servers is forgotten after pool_idle_timeout") {
    Fixture f;
    f.config.global.pool_idle_timeout = 30s;
    f.configure();
    PoolGroup& a = f.enter("a");
    PoolGroup& b = f.enter("b");
    a.first().counters()[0].queries.add(7);
    f.pass(100s);
    CHECK(f.groups() == 2);  // somebody is there
    f.leave(a);
    f.pass(29s);
    CHECK(f.groups() == 2);
    f.pass(2s);
    CHECK(f.groups() == 1);
    CHECK(f.pools.find({"a", "u"}) == nullptr);
    CHECK(f.pools.find({"b", "u"}) == &b);
    CHECK(f.pools.find_database("a")->gone.queries == 7);  // its statistics stay
    CHECK_FALSE(f.pools.has_buried(f.now + -60s));
    f.pass(61s);
    REQUIRE(f.pools.has_buried(f.now + -60s));
    f.pools.destroy_buried(f.now + -60s);
    CHECK_FALSE(f.pools.has_buried(f.now));
    // Who comes again finds a new one.
    CHECK(f.enter("a").first().counts().idle == 0);
    CHECK(f.groups() == 2);
}

TEST_CASE("a pool that keeps a connection is not forgotten, and one that loses it is") {
    Fixture f;
    f.config.global.pool_idle_timeout = 30s;
    f.config.global.server_idle_timeout = 100s;
    f.configure();
    PoolGroup& group = f.enter("a");
    f.use(group.first());
    f.leave(group);
    f.pass(99s);
    CHECK(f.groups() == 1);
    f.pass(2s);
    f.close_all_taken();
    f.pass(29s);
    CHECK(f.groups() == 1);
    f.pass(3s);
    CHECK(f.groups() == 0);
}

TEST_CASE("databases from the * entry leave nothing behind after autodb_idle_timeout") {
    Fixture f;
    f.config.global.autodb_idle_timeout = 50s;
    f.configure();
    PoolGroup& made = f.enter("made");
    PoolGroup& other = f.enter("made", "v");
    PoolGroup& entry = f.enter("a");
    CHECK(f.pools.find_database("made")->is_automatic);
    f.leave(made);
    f.leave(entry);
    f.pass(100s);
    CHECK(f.groups() == 2);  // a, and the other user of `made`
    CHECK(f.pools.find_database("made") != nullptr);
    f.leave(other, "v");
    f.pass(52s);
    CHECK(f.groups() == 1);
    CHECK(f.pools.find_database("made") == nullptr);
    f.pools.destroy_buried(f.now + 1s);
    CHECK(f.pools.find_database("a") != nullptr);
}

TEST_CASE("a paused database from the * entry keeps its order") {
    Fixture f;
    f.config.global.autodb_idle_timeout = 50s;
    f.configure();
    PoolGroup& made = f.enter("made");
    f.pools.find_database("made")->paused.store(true);
    f.leave(made);
    f.pass(60s);
    CHECK(f.groups() == 0);
    REQUIRE(f.pools.find_database("made") != nullptr);
    CHECK(f.pools.find_database("made")->paused.load());
}

TEST_CASE("a client that is refused leaves no database behind") {
    Fixture f;
    f.config.global.max_db_client_connections = 1;
    f.config.global.max_user_client_connections = 1;
    f.configure();
    const auto refusal = [&f](const std::string& database, const std::string& user) {
        const auto entered = f.pools.enter(f.config, *f.config.find_database(database), user, user);
        REQUIRE_FALSE(entered);
        return entered.error().message;
    };
    f.enter("a");
    CHECK(refusal("a", "v") == "no more connections allowed (max_db_client_connections)");
    CHECK(refusal("made", "u") == "no more connections allowed (max_user_client_connections)");
    CHECK(f.pools.find_database("made") == nullptr);
    f.pools.find_database("a")->disabled.store(true);
    CHECK(refusal("a", "w") == "database \"a\" is disabled");
}

TEST_CASE("of ten thousand pools only those in use are looked at") {
    Fixture f;
    for (int i = 0; i < 10'000; ++i)
        f.enter("a", "u" + std::to_string(i));
    f.pass(2s);
    CHECK(f.awake() == 0);
    Pool& one = f.pools.find({"a", "u77"})->first();
    f.use(one);
    CHECK(f.awake() == 1);
    CHECK(f.pools.wakes().awake()[0] == &one);
}

}  // namespace
}  // namespace weir::wake_list_test
