// Goal: SHOW CLIENTS, SERVERS and POOLS tell what the workers' snapshots and the ledgers say, once
// each. Method: real pools moved by hand, snapshots made up.
#include <doctest/doctest.h>

#include "console_fixture.h"

namespace weir::show_connections_test {
namespace {

using namespace console_test;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

ClientRow client_row(uint64_t id, const char* state, const std::string& database = "app",
                     const std::string& user = "bob") {
    ClientRow row;
    row.id = id;
    row.user = user;
    row.database = database;
    row.pool_user = user;
    row.addr = "10.0.0.9";
    row.port = 40000;
    row.state = state;
    row.connected_at = Instant{1'000'000'000};
    return row;
}

ServerRow server_row(uint64_t id, const char* state) {
    ServerRow row;
    row.id = id;
    row.user = "bob";
    row.database = "app";
    row.state = state;
    return row;
}

// A leased connection with that id.
ServerConnection& open_server(Pool& pool, uint64_t id, Instant now) {
    Waiter waiter;
    waiter.client = Fixture::id(90);
    const Pool::Acquired acquired = pool.acquire(waiter, 0, now);
    if (acquired.server != nullptr) return *acquired.server;
    ServerConnection& server = *acquired.open;
    server.id = id;
    server.connected_at = now;
    server.address = *Address::from_ip("10.0.0.1", 5433);
    server.local_address = *Address::from_ip("10.0.0.2", 50000);
    server.backend_key.process_id = 4711;
    pool.release(server, 0, now, true);
    return server;
}

TEST_CASE("SHOW CLIENTS has a row for each that is logged in, sorted") {
    Fixture f;
    ClientRow waiting = client_row(16, "waiting");
    waiting.waiting_since = f.inspector.time + (Duration(17) - 2500ms);
    waiting.requested_at = f.inspector.time + 61s;
    waiting.link = 255;
    waiting.application_name = "psql \xff";
    waiting.prepared_statements = 3;
    ClientRow login = client_row(18, "idle");
    login.is_login = true;
    f.inspector.picture[0].clients = {client_row(20, "active", "zoo"), waiting, login};
    f.inspector.picture[1].clients = {client_row(uint64_t{1} << 32 | 17, "idle", "app", "alice")};
    const Answer answer = f.run("SHOW CLIENTS");
    REQUIRE(answer.rows.size() == 3);
    CHECK(answer.cell(0, "user") == "alice");
    CHECK(answer.cell(0, "id") == "17");
    CHECK(answer.cell(0, "ptr") == "0x100000011");
    CHECK(answer.cell(0, "state") == "idle");
    CHECK(answer.cell(0, "request_time") == answer.cell(0, "connect_time"));
    CHECK(answer.cell(2, "database") == "zoo");
    const Texts expected = {"C",
                            "bob",
                            "app",
                            "none",
                            "waiting",
                            "10.0.0.9",
                            "40000",
                            "",
                            "0",
                            answer.cell(1, "connect_time"),
                            answer.cell(1, "request_time"),
                            "2",
                            "499983",
                            "0",
                            "0x10",
                            "0xff",
                            "0",
                            "",
                            "psql ?",
                            "3",
                            "16"};
    CHECK(answer.rows[1] == expected);
    CHECK(answer.cell(2, "link") == "");
}

TEST_CASE("times are local, with the name of the zone") {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
    Fixture f;
    ClientRow client = client_row(1, "active");
    client.requested_at = f.inspector.time + 61s;
    f.inspector.picture[0].clients = {client};
    const Answer answer = f.run("SHOW CLIENTS");
    CHECK(answer.cell(0, "connect_time") == "2026-01-31 12:00:00 UTC");
    CHECK(answer.cell(0, "request_time") == "2026-01-31 12:01:01 UTC");
    ::unsetenv("TZ");
    ::tzset();
}

TEST_CASE("SHOW SERVERS joins the workers' connections with the idle ones, none twice") {
    Fixture f;
    Pool& pool = f.inspector.pool("app", "bob");
    ServerConnection& first = open_server(pool, 7, f.inspector.time);
    ServerConnection& second = open_server(pool, 8, f.inspector.time);
    pool.release(first, 0, f.inspector.time, false);
    pool.release(second, 0, f.inspector.time, false);
    ServerRow leased = server_row(5, "active");
    leased.link = 2;
    leased.remote_pid = 12;
    leased.close_needed = true;
    f.inspector.picture[0].servers = {leased, server_row(8, "active")};
    f.inspector.picture[1].servers = {server_row(5, "idle")};
    Answer answer = f.run("SHOW SERVERS");
    REQUIRE(answer.rows.size() == 3);
    CHECK(answer.cell(0, "id") == "5");
    CHECK(answer.cell(0, "link") == "0x2");
    CHECK(answer.cell(0, "remote_pid") == "12");
    CHECK(answer.cell(0, "close_needed") == "1");
    CHECK(answer.cell(0, "connect_time") == "NULL");
    CHECK(answer.cell(2, "id") == "8");
    const Texts expected = {"S",
                            "bob",
                            "app",
                            "none",
                            "idle",
                            "10.0.0.1",
                            "5433",
                            "10.0.0.2",
                            "50000",
                            answer.cell(1, "connect_time"),
                            answer.cell(1, "connect_time"),
                            "0",
                            "0",
                            answer.cell(1, "close_needed"),
                            "0x7",
                            "",
                            "4711",
                            "",
                            "",
                            "0",
                            "7"};
    CHECK(answer.rows[1] == expected);

    f.inspector.time = f.inspector.time + 31s;
    CHECK(f.run("SHOW SERVERS").cell(1, "state") == "used");
    f.inspector.mutable_config().global.server_check_query = "";
    CHECK(f.run("SHOW SERVERS").cell(1, "state") == "idle");
}

TEST_CASE("SHOW POOLS counts clients by state and servers by the ledger") {
    Fixture f;
    f.inspector.mutable_config().databases["app"].pool_size = 4;
    Pool& pool = f.inspector.pool("app", "bob");
    open_server(pool, 1, f.inspector.time);
    open_server(pool, 2, f.inspector.time);
    ServerConnection& third = open_server(pool, 3, f.inspector.time);
    Waiter opening;
    Waiter waiting;
    const Pool::Acquired fourth = pool.acquire(opening, 0, f.inspector.time);
    REQUIRE(fourth.open != nullptr);
    pool.acquire(waiting, 0, f.inspector.time);
    f.inspector.time = f.inspector.time + 3s + Duration(5);
    ClientRow console = client_row(60, "idle", "weir", "admin");
    console.is_console = true;
    console.pool_user = "";
    ClientRow login = client_row(61, "idle");
    login.is_login = true;
    f.inspector.picture[0].clients = {client_row(50, "active"),
                                      client_row(51, "idle"),
                                      client_row(52, "waiting"),
                                      client_row(53, "waiting"),
                                      console,
                                      login,
                                      client_row(54, "active", "nowhere")};
    f.inspector.picture[1].clients = {client_row(55, "active_cancel_req"),
                                      client_row(56, "waiting_cancel_req")};
    f.inspector.picture[1].servers = {server_row(1, "active"), server_row(2, "tested"),
                                      server_row(3, "being_canceled"), server_row(4, "new")};
    Answer answer = f.run("SHOW POOLS");
    REQUIRE(answer.rows.size() == 2);
    CHECK(answer.rows[0] == Texts{"app", "bob", "2", "2", "1", "1", "1", "0", "1", "0", "0", "1",
                                  "1", "3", "5", "session", std::nullopt});
    CHECK(answer.rows[1] == Texts{"pgbouncer", "pgbouncer", "1", "0", "0", "0", "0", "0", "0", "0",
                                  "0", "0", "0", "0", "0", "statement", std::nullopt});

    // The ledger has the last word: what came back since the snapshot is not counted as tested.
    pool.leave(opening, f.inspector.time);
    pool.leave(waiting, f.inspector.time);
    pool.release(third, 0, f.inspector.time, false);
    f.inspector.picture[1].servers = {server_row(1, "tested"), server_row(2, "tested"),
                                      server_row(3, "tested"), server_row(9, "active_cancel")};
    answer = f.run("SHOW POOLS");
    CHECK(answer.cell(0, "sv_tested") == "2");
    CHECK(answer.cell(0, "sv_active") == "0");
    CHECK(answer.cell(0, "sv_active_cancel") == "0");
    CHECK(answer.cell(0, "sv_idle") == "1");
    CHECK(answer.cell(0, "maxwait") == "0");
    f.inspector.time = f.inspector.time + 31s;
    CHECK(f.run("SHOW POOLS").cell(0, "sv_used") == "1");
    CHECK(f.run("SHOW POOLS").cell(0, "sv_idle") == "0");
}

TEST_CASE("SHOW POOLS names mode and balancing, and forgets removed databases") {
    Fixture f;
    DatabaseConfig& app = f.inspector.mutable_config().databases["app"];
    app.hosts = {"a", "b"};
    app.pool_mode = PoolMode::Transaction;
    Pool& pool = f.inspector.pool("app", "bob");
    Answer answer = f.run("SHOW POOLS");
    CHECK(answer.cell(0, "pool_mode") == "transaction");
    CHECK(answer.cell(0, "load_balance_hosts") == "round-robin");
    pool.database_state().removed.store(true);
    pool.group().clients.store(1);
    CHECK(f.run("SHOW POOLS").rows.size() == 2);
    pool.group().clients.store(0);
    CHECK(f.run("SHOW POOLS").rows.size() == 1);
}

}  // namespace
}  // namespace weir::show_connections_test
