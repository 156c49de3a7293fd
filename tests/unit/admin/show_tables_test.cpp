// Goal: SHOW DATABASES, USERS, LISTS, MEM, CONFIG, STATE agree with the configuration and the
// pools. Method: small configurations; rows by name.
#include <doctest/doctest.h>

#include "conf/option_table.h"
#include "console_fixture.h"

namespace weir::show_tables_test {
namespace {

using namespace console_test;

std::string first_column(const Answer& answer) {
    std::string out;
    for (const Texts& row : answer.rows)
        out += (out.empty() ? "" : " ") + row.at(0).value_or("NULL");
    return out;
}

TEST_CASE("SHOW DATABASES lists entries, what * has made, and the console") {
    Fixture f;
    Config& config = f.inspector.mutable_config();
    config.global.min_pool_size = 2;
    config.global.max_db_connections = 9;
    DatabaseConfig& app = config.databases["app"];
    app.hosts = {"a", "b"};
    app.port = 5433;
    app.dbname = "app_production";
    app.user = "bob";
    app.pool_size = 7;
    app.reserve_pool_size = 3;
    app.pool_mode = PoolMode::Transaction;
    app.server_lifetime = std::chrono::seconds(60);
    app.max_db_client_connections = 50;
    config.databases["my-db"].hosts.clear();
    DatabaseConfig any;
    any.name = "*";
    config.wildcard_database = any;
    f.inspector.pool("zoo", "eve");
    DatabaseState& state = f.inspector.pool("app", "bob").database_state();
    state.paused.store(true);
    state.clients.try_reserve();
    state.clients.try_reserve();
    state.servers.try_reserve();
    const Answer answer = f.run("SHOW DATABASES");
    CHECK(first_column(answer) == "app my-db pgbouncer zoo");
    CHECK(answer.rows[0] == Texts{"app", "a,b", "5433", "app_production", "bob", "7", "2", "3",
                                  "60", "transaction", "round-robin", "9", "1", "50", "2", "1",
                                  "0"});
    CHECK(answer.rows[1] == Texts{"my-db", std::nullopt, "5432", "my-db", std::nullopt, "20", "2",
                                  "0", "3600", std::nullopt, std::nullopt, "9", "0", "0", "0", "0",
                                  "0"});
    CHECK(answer.rows[2] == Texts{"pgbouncer", std::nullopt, "6432", "pgbouncer", "pgbouncer", "2",
                                  "2", "0", "3600", "statement", std::nullopt, "9", "0", "0", "1",
                                  "0", "0"});
    f.inspector.pools().find_database("zoo")->removed.store(true);
    CHECK(first_column(f.run("SHOW DATABASES")) == "app my-db pgbouncer");
}

TEST_CASE("SHOW USERS lists everyone known") {
    Fixture f;
    Config& config = f.inspector.mutable_config();
    config.global.max_user_connections = 30;
    UserConfig carl;
    carl.name = "carl";
    carl.pool_size = 12;
    carl.pool_mode = PoolMode::Statement;
    carl.max_user_client_connections = 5;
    config.users["carl"] = carl;
    f.inspector.pool("app", "bob").user_state().servers.try_reserve();
    const Answer answer = f.run("SHOW USERS");
    CHECK(first_column(answer) == "admin bob carl pgbouncer");
    CHECK(answer.rows[1] == Texts{"bob", "", "", std::nullopt, "30", "1", "0", "0"});
    CHECK(answer.rows[2] == Texts{"carl", "       12", "", "statement", "30", "0", "5", "0"});
}

TEST_CASE("SHOW LISTS and SHOW MEM add up") {
    Fixture f;
    f.inspector.pool("app", "bob");
    f.inspector.picture[0].clients.resize(3);
    f.inspector.picture[0].clients[1].is_login = true;
    f.inspector.picture[0].client_slots = 10;
    f.inspector.picture[0].client_slots_used = 3;
    f.inspector.picture[1].client_slots = 4;
    f.inspector.picture[1].buffered_bytes = 5000;
    f.inspector.picture[1].statements = 2;
    f.inspector.picture[1].statement_bytes = 90;
    const Answer lists = f.run("SHOW LISTS");
    CHECK(lists.rows == std::vector<Texts>{{"databases", "3"},
                                           {"users", "3"},
                                           {"peers", "0"},
                                           {"pools", "2"},
                                           {"peer_pools", "0"},
                                           {"free_clients", "11"},
                                           {"used_clients", "3"},
                                           {"login_clients", "1"},
                                           {"free_servers", "0"},
                                           {"used_servers", "0"},
                                           {"dns_names", "3"},
                                           {"dns_zones", "0"},
                                           {"dns_queries", "0"},
                                           {"dns_pending", "0"}});
    const Answer mem = f.run("SHOW MEM");
    CHECK(first_column(mem) ==
          "user_cache db_cache pool_cache server_cache client_cache iobuf_cache statement_cache");
    for (const Texts& row : mem.rows) {
        CHECK(std::stoll(*row[1]) * (std::stoll(*row[2]) + std::stoll(*row[3])) ==
              std::stoll(*row[4]));
    }
    CHECK(mem.row("client_cache").at("free") == "11");
    CHECK(mem.row("statement_cache").at("size") == "45");
    CHECK(mem.row("iobuf_cache").at("memtotal") == "5000");
}

TEST_CASE("SHOW CONFIG is the option table") {
    Fixture f;
    f.inspector.mutable_config().global.default_pool_size = 5;
    const Answer answer = f.run("SHOW CONFIG");
    CHECK(answer.rows.size() == show_config(GlobalConfig()).size());
    CHECK(answer.row("default_pool_size") ==
          std::map<std::string, std::string>{{"key", "default_pool_size"},
                                             {"value", "5"},
                                             {"default", "20"},
                                             {"changeable", "yes"}});
    CHECK(answer.row("listen_port").at("changeable") == "no");
    CHECK(answer.row("auth_user").at("default") == "NULL");
}

TEST_CASE("SHOW STATE") {
    Fixture f;
    CHECK(f.run("SHOW STATE").rows ==
          std::vector<Texts>{{"active", "yes"}, {"paused", "no"}, {"suspended", "no"}});
    f.inspector.paused = true;
    CHECK(f.run("SHOW STATE").rows ==
          std::vector<Texts>{{"active", "no"}, {"paused", "yes"}, {"suspended", "no"}});
    f.inspector.paused = false;
    f.inspector.suspended = true;
    CHECK(f.run("SHOW STATE").rows ==
          std::vector<Texts>{{"active", "no"}, {"paused", "no"}, {"suspended", "yes"}});
}

TEST_CASE("SHOW DNS_HOSTS tells what names lead to, and for how long") {
    Fixture f;
    const Instant now = f.inspector.time;
    f.inspector.hosts = {
        {"db.example", {"10.0.0.1", "::1"}, now + std::chrono::milliseconds(14'900), false},
        {"old.example", {"10.0.0.2"}, now + -std::chrono::seconds(5), true},
        {"lost.example", {}, now + std::chrono::seconds(3), false},
    };
    const Answer answer = f.run("SHOW DNS_HOSTS");
    CHECK(answer.column_types == std::vector<uint32_t>{25, 20, 25});
    CHECK(answer.rows == std::vector<Texts>{{"db.example", "14", "10.0.0.1:0,[::1]:0"},
                                            {"old.example", "0", "10.0.0.2:0"},
                                            {"lost.example", "3", ""}});
    const Answer lists = f.run("SHOW LISTS");
    CHECK(lists.row("dns_names").at("items") == "3");
    CHECK(lists.row("dns_queries").at("items") == "1");
    CHECK(f.run("SHOW DNS_ZONES").rows.empty());
}

TEST_CASE("SHOW PEERS has the entries of [peers]") {
    Fixture f;
    Config& config = f.inspector.mutable_config();
    config.global.default_pool_size = 20;
    config.peers = {{1, {"10.0.0.1"}, 6432, kInherit}, {3, {"a", "b"}, 6433, 5}};
    const Answer answer = f.run("SHOW PEERS");
    CHECK(answer.column_types == std::vector<uint32_t>{23, 25, 23, 23});
    CHECK(answer.rows ==
          std::vector<Texts>{{"1", "10.0.0.1", "6432", "20"}, {"3", "a,b", "6433", "5"}});
    f.inspector.picture[0].peers = {{3, 4, 3, 2, 1}};
    f.inspector.picture[1].peers = {{3, 1, 0, 1, 0}, {7, 9, 9, 9, 9}};
    CHECK(f.run("SHOW PEER_POOLS").rows ==
          std::vector<Texts>{{"1", "0", "0", "0", "0"}, {"3", "5", "3", "3", "1"}});
    CHECK(f.run("SHOW LISTS").row("peers").at("items") == "2");
}

}  // namespace
}  // namespace weir::show_tables_test
