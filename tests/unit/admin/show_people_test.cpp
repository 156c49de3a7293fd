// Goal: SHOW WAITERS, EVENTS, WORKERS and MEMORY tell what queues, ledgers, snapshots and the
// kernel say. Method: real pools moved by hand, snapshots made up.
#include <doctest/doctest.h>

#include "console_fixture.h"
#include "proxy/session/client_session.h"

namespace weir::show_people_test {
namespace {

using namespace console_test;
using std::chrono_literals::operator""s;

ClientRow client(uint64_t id, ClientId name, const std::string& application_name) {
    ClientRow row;
    row.id = id;
    row.client = name;
    row.user = row.pool_user = "bob";
    row.database = "app";
    row.addr = "10.0.0.9";
    row.port = 40000;
    row.application_name = application_name;
    return row;
}

TEST_CASE(
    "SHOW WAITERS tells the queue's order, what is in the way, and who has held a server longest") {
    Fixture f;
    Config& config = f.inspector.mutable_config();
    config.global.default_pool_size = 1;
    Pool& pool = f.inspector.pool("app", "bob");
    const Instant now = f.inspector.time;
    Waiter holder;
    holder.client = Fixture::id(1);
    ServerConnection& server = *pool.acquire(holder, 0, now).open;
    CHECK(pool.obstacle(now).what == std::string("login"));
    server.id = 100;
    const Pool::Released released = pool.release(server, 0, now, true);
    REQUIRE(released.kind == Pool::Released::Kind::Granted);
    CHECK(released.grant.server == &server);
    Waiter first;
    Waiter second;
    first.client = Fixture::id(2);
    second.client = Fixture::id(3);
    CHECK(pool.acquire(first, 0, now + 1s).is_queued);
    CHECK(pool.acquire(second, 0, now + 2s).is_queued);
    f.inspector.time = now + 5s;

    ClientRow holding = client(11, Fixture::id(1), "cron");
    holding.link = 100;
    holding.transaction_from = now;
    ClientRow waiting = client(12, Fixture::id(2), "web");
    waiting.waits_for = WaitReason::Queue;
    waiting.waiting_since = now + 1s;
    ClientRow behind = client(13, Fixture::id(3), "");
    behind.waits_for = WaitReason::Queue;
    behind.waiting_since = now + 2s;
    ClientRow limited = client(14, Fixture::id(4), "batch");
    limited.waits_for = WaitReason::RateLimit;
    limited.waiting_since = now + 4s;
    ClientRow held = client(15, Fixture::id(5), "report");
    held.waits_for = WaitReason::Backend;
    held.wait_detail = "primary";
    ClientRow login = client(16, Fixture::id(6), "");
    login.waits_for = WaitReason::LoginAnswer;
    login.wait_detail = "pam";
    f.inspector.picture[1].clients = {behind, waiting, holding, limited, held, login};
    ServerRow lease;
    lease.id = 100;
    lease.pool = &pool;
    lease.link = 11;
    f.inspector.picture[0].servers = {lease};

    const Answer answer = f.run("SHOW WAITERS");
    REQUIRE(answer.rows.size() == 5);
    const auto cells = [&answer](size_t row, std::initializer_list<const char*> columns) {
        std::string out;
        for (const char* column : columns)
            out += (out.empty() ? "" : " ") + answer.cell(row, column);
        return out;
    };
    const auto wait = {"id",      "application_name", "waits_for",
                       "wait_ms", "position",         "queue_length"};
    CHECK(cells(0, wait) == "12 web pool_size 4000 1 2");
    CHECK(answer.cell(0, "detail") == "1 connections of 1");
    CHECK(cells(1, wait) == "13 NULL pool_size 3000 2 2");
    const auto others = {"behind_id", "behind_application_name", "holder_id",
                         "holder_application_name", "holder_transaction_ms"};
    CHECK(cells(0, others) == "NULL NULL 11 cron 5000");
    CHECK(cells(1, others) == "12 web 11 cron 5000");
    CHECK(cells(2, wait) == "14 batch rate limit 1000 NULL NULL");
    CHECK(answer.cell(3, "waits_for") == "backend");
    CHECK(answer.cell(3, "detail") == "none serves target_session_attrs=primary");
    CHECK(answer.cell(4, "waits_for") == "pam");

    f.inspector.pools().database(config, *config.find_database("app")).paused.store(true);
    CHECK(f.run("SHOW WAITERS LIMIT 1").cell(0, "waits_for") == "PAUSE");
    f.inspector.suspended = true;
    CHECK(f.run("SHOW WAITERS LIMIT 1").cell(0, "waits_for") == "SUSPEND");
    f.inspector.suspended = false;
    f.inspector.pools().database(config, *config.find_database("app")).paused.store(false);
    pool.leave(first, f.inspector.time);
    pool.leave(second, f.inspector.time);
}

TEST_CASE("limits that pools share are named") {
    Fixture f;
    Config& config = f.inspector.mutable_config();
    config.global.default_pool_size = 5;
    config.global.max_db_connections = 1;
    Pool& pool = f.inspector.pool("app", "bob");
    f.inspector.pools().configure(config);
    const Instant now = f.inspector.time;
    Waiter one;
    one.client = Fixture::id(1);
    ServerConnection& server = *pool.acquire(one, 0, now).open;
    (void)pool.release(server, 0, now, true);
    Waiter two;
    two.client = Fixture::id(2);
    CHECK(pool.acquire(two, 0, now).is_queued);
    CHECK(pool.obstacle(now).what == std::string("max_db_connections"));
    CHECK(pool.obstacle(now).detail == "1 connections of 1");
    pool.leave(two, now);
}

TEST_CASE("SHOW EVENTS has the last thousand, the newest last") {
    Fixture f;
    CHECK(f.run("SHOW EVENTS").rows.empty());
    std::string heard;
    f.inspector.event_log.set_listener(
        [&heard](const ProcessEvent& event) { heard = event.event; });
    for (int i = 0; i < 1005; ++i) {
        f.inspector.event_log.add({ProcessEvent::Kind::Database, f.inspector.time, "app",
                                   "event " + std::to_string(i), i % 2 == 0 ? "why" : ""});
    }
    CHECK(heard == "event 1004");
    const Answer answer = f.run("SHOW EVENTS");
    REQUIRE(answer.rows.size() == EventLog::kEventsMax);
    CHECK(answer.cell(0, "event") == "event 5");
    CHECK(answer.cell(0, "detail") == "NULL");
    CHECK(answer.cell(999, "event") == "event 1004");
    CHECK(answer.cell(999, "kind") == "database");
    CHECK(answer.cell(999, "subject") == "app");
    CHECK(answer.cell(999, "detail") == "why");
    CHECK(answer.cell(999, "time").starts_with("2026-01-31"));
    f.inspector.event_log.add(
        {ProcessEvent::Kind::Reload, f.inspector.time, "", "failed", std::string(5000, 'x')});
    CHECK(f.run("SHOW EVENTS WHERE kind = 'reload'").cell(0, "detail").size() ==
          EventLog::kTextBytesMax + 3);
}

TEST_CASE("SHOW WORKERS sums what each worker has and has done") {
    Fixture f;
    Pool& pool = f.inspector.pool("app", "bob");
    pool.counters()[1].transactions.add(7);
    pool.counters()[1].queries.add(8);
    pool.counters()[1].bytes_received.add(9);
    pool.counters()[1].bytes_sent.add(10);
    WorkerSnapshot& worker = f.inspector.picture[1];
    worker.clients = {client(1, Fixture::id(1), ""), client(2, Fixture::id(2), "")};
    worker.clients[1].is_login = true;
    worker.clients[0].waits_for = WaitReason::Queue;
    worker.servers.resize(3);
    worker.thread = 5;
    worker.cpu_us = 12'345;
    worker.inbox = 2;
    const Answer answer = f.run("SHOW WORKERS");
    REQUIRE(answer.rows.size() == 2);
    CHECK(answer.cell(0, "clients") == "0");
    const auto row = answer.row("1");
    CHECK(row.at("clients") == "2");
    CHECK(row.at("logins") == "1");
    CHECK(row.at("waiting") == "1");
    CHECK(row.at("servers") == "3");
    CHECK(row.at("thread") == "5");
    CHECK(row.at("cpu_ms") == "12");
    CHECK(row.at("transactions") == "7");
    CHECK(row.at("queries") == "8");
    CHECK(row.at("bytes_received") == "9");
    CHECK(row.at("bytes_sent") == "10");
    CHECK(row.at("inbox") == "2");
}

TEST_CASE("SHOW MEMORY ends with what is not explained") {
    Fixture f;
    f.inspector.picture[0].client_slots = 64;
    f.inspector.picture[0].statements = 3;
    f.inspector.picture[0].statement_bytes = 4096;
    const Answer answer = f.run("SHOW MEMORY");
    CHECK(answer.row("prepared statements").at("bytes") == "4096");
    CHECK(answer.row("prepared statements").at("items") == "3");
    CHECK(std::stoll(answer.row("clients").at("bytes")) ==
          static_cast<int64_t>(64 * sizeof(ClientSession)));
    CHECK(answer.cell(answer.rows.size() - 1, "consumer") == "unexplained");
    int64_t sum = 0;
    for (size_t i = 0; i < answer.rows.size(); ++i)
        sum += std::stoll(answer.cell(i, "bytes"));
    CHECK(sum > 1'000'000);  // this program's RSS
    CHECK(answer.row("").empty());
}

}  // namespace
}  // namespace weir::show_people_test
