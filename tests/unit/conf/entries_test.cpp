// Goal: connection strings, and the keys of [databases], [users] and [peers].
// Method: one case per rule; every key is set once and read back from its field.
#include "conf/entries.h"

#include <doctest/doctest.h>

#include "conf/limits.h"

namespace weir::entries_test {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

void check_refused(const char* text, const char* part) {
    CAPTURE(text);
    const auto settings = parse_connection_string(text);
    REQUIRE_FALSE(settings);
    CHECK(settings.error().message.find(part) != std::string::npos);
    CHECK(settings.error().message.find(';') != std::string::npos);
}

template <typename Entry>
void check_problem(const ParsedEntry<Entry>& parsed, const std::string& message) {
    REQUIRE(parsed.problems.size() == 1);
    CHECK(parsed.problems[0] == message);
}

DatabaseConfig database(const char* text) {
    CAPTURE(text);
    const ParsedEntry<DatabaseConfig> parsed = parse_database("db", text);
    CHECK(parsed.problems.empty());
    return parsed.entry;
}

TEST_CASE("a connection string is settings parted by blanks") {
    CHECK(parse_connection_string("").value() == Settings{});
    CHECK(parse_connection_string("   ").value() == Settings{});
    CHECK(parse_connection_string("a=1 b=2").value() == Settings{{"a", "1"}, {"b", "2"}});
    CHECK(parse_connection_string("  a = 1   b= 2 ").value() == Settings{{"a", "1"}, {"b", "2"}});
    CHECK(parse_connection_string("a=1,b=2").value() == Settings{{"a", "1,b=2"}});
    CHECK(parse_connection_string("a=1\tb=2").value() == Settings{{"a", "1\tb=2"}});
}

TEST_CASE("quoted values hold blanks and doubled quotes") {
    CHECK(parse_connection_string("a='x y' b='it''s'").value() ==
          Settings{{"a", "x y"}, {"b", "it's"}});
    CHECK(parse_connection_string("a=x'y").value() == Settings{{"a", "x'y"}});
}

TEST_CASE("broken connection strings are refused with what to write") {
    check_refused("a", "the first word has no \"=\"");
    check_refused("a b=1", "the first word has no \"=\"");
    check_refused("a=1 b", "the word after \"a\" has no \"=\"");
    check_refused("=1", "nothing stands before");
    check_refused("a=", "\"a\" has an empty value");
    check_refused("a=''", "\"a\" has an empty value");
    check_refused("a='x", "not closed");
    check_refused("a='x''", "not closed");
    check_refused("a='x'b=1", "directly");
}

TEST_CASE("every key of a database reaches its field") {
    const DatabaseConfig db = database(
        "host=h1,h2 port=6000 dbname=real user=u password='p w' pool_size=7 min_pool_size=2 "
        "reserve_pool_size=3 pool_mode=Transaction max_db_connections=9 "
        "max_db_client_connections=11 server_lifetime=60 query_wait_timeout=1.5 "
        "connect_query='select 1' load_balance_hosts=disable client_encoding=utf8 datestyle=iso "
        "timezone=UTC application_name=app");
    CHECK(db.name == "db");
    CHECK(db.hosts == std::vector<std::string>{"h1", "h2"});
    CHECK(db.port == 6000);
    CHECK(db.dbname == "real");
    CHECK(db.user == "u");
    CHECK(db.password == "p w");
    CHECK(db.pool_size == 7);
    CHECK(db.min_pool_size == 2);
    CHECK(db.reserve_pool_size == 3);
    CHECK(db.pool_mode == PoolMode::Transaction);
    CHECK(db.max_db_connections == 9);
    CHECK(db.max_db_client_connections == 11);
    CHECK(db.server_lifetime == std::chrono::seconds(60));
    CHECK(db.query_wait_timeout == std::chrono::milliseconds(1500));
    CHECK(db.connect_query == "select 1");
    CHECK(db.load_balance_hosts == LoadBalanceHosts::Disable);
    CHECK(db.startup_parameters == Settings{{"client_encoding", "utf8"},
                                            {"datestyle", "iso"},
                                            {"timezone", "UTC"},
                                            {"application_name", "app"}});
}

TEST_CASE("an empty database entry has the defaults and its own name on the server") {
    const DatabaseConfig db = database("");
    CHECK(db.hosts.empty());
    CHECK(db.port == 5432);
    CHECK(db.dbname == "db");
    CHECK(db.pool_size == kInherit);
    CHECK_FALSE(db.user);
    CHECK_FALSE(db.pool_mode);
    CHECK(parse_database("*", "").entry.dbname.empty());
    CHECK(parse_database("*", "dbname=x").entry.dbname == "x");
}

TEST_CASE("of a key given twice the last counts, and reserve_pool is reserve_pool_size") {
    CHECK(database("port=1 port=2").port == 2);
    CHECK(database("reserve_pool=4").reserve_pool_size == 4);
    CHECK(database("timezone=a timezone=b").startup_parameters == Settings{{"timezone", "b"}});
}

TEST_CASE("negative sizes and zero times inherit") {
    CHECK(database("pool_size=-5").pool_size == kInherit);
    CHECK(database("pool_size=0").pool_size == 0);
    CHECK_FALSE(database("server_lifetime=0").server_lifetime);
    CHECK_FALSE(parse_user("u", "query_timeout=0").entry.query_timeout);
}

TEST_CASE("hosts are trimmed, and a comma between settings is noticed") {
    CHECK(database("host='a, b'").hosts == std::vector<std::string>{"a", "b"});
    CHECK(database("host=/run/x=y,@abs=z").hosts == std::vector<std::string>{"/run/x=y", "@abs=z"});
    check_problem(
        parse_database("db", "host=a,port=5"),
        "database \"db\": invalid host value: commas part hosts, blanks part settings; put "
        "a blank in place of the comma before \"port\"");
    check_problem(parse_database("db", "host=,"),
                  "database \"db\": invalid host \",\": names no host; give at least one");
}

TEST_CASE("ports are decimal and from 1 to 65535") {
    for (const char* text :
         {"port=0", "port=65536", "port=abc", "port=5x", "port=-1", "port=0x10"}) {
        CAPTURE(text);
        const auto parsed = parse_database("db", text);
        REQUIRE(parsed.problems.size() == 1);
        CHECK(parsed.problems[0].find("give a whole number from 1 to 65535") != std::string::npos);
    }
}

TEST_CASE("numbers that PgBouncer would read as zero are refused") {
    for (const char* text : {"pool_size=abc", "pool_size=5x", "max_db_connections=lots",
                             "server_lifetime=soon", "pool_size=99999999999"}) {
        CAPTURE(text);
        CHECK(parse_database("db", text).problems.size() == 1);
    }
}

TEST_CASE("unknown keys are named with the nearest known one") {
    check_problem(parse_database("db", "hst=a"),
                  "database \"db\": unknown key \"hst\"; did you mean \"host\"?");
    check_problem(parse_database("db", "HOST=a"),
                  "database \"db\": unknown key \"HOST\"; did you mean \"host\"?");
    check_problem(parse_user("u", "password=x"),
                  "user \"u\": unknown key \"password\"; check its spelling or remove it");
}

TEST_CASE("every problem of an entry is told") {
    const auto parsed = parse_database("db", "port=0 hst=a pool_mode=x pool_size=y");
    CHECK(parsed.problems.size() == 4);
}

TEST_CASE("a refused password is not quoted") {
    const std::string password(kPasswordBytesMax + 1, 's');
    const auto parsed = parse_database("db", "password=" + password);
    check_problem(parsed, "database \"db\": invalid password value: too long; at most 65530 bytes");
    for (const char* text :
         {"host=a,password=hidden", "pool_size=5,password=hidden", "passwort=hidden",
          "password='hidden", "password=x 'hidden'", "password=x hidden"}) {
        CAPTURE(text);
        const auto slip = parse_database("db", text);
        REQUIRE(slip.problems.size() == 1);
        CHECK(slip.problems[0].find("hidden") == std::string::npos);
    }
}

TEST_CASE("names of databases and users have lengths") {
    CHECK(parse_database(std::string(63, 'x'), "").problems.empty());
    CHECK(parse_database(std::string(64, 'x'), "dbname=y").problems.size() == 1);
    CHECK(parse_database("db", "dbname=" + std::string(64, 'x')).problems.size() == 1);
    CHECK(parse_database("db", "user=" + std::string(127, 'x')).problems.empty());
    CHECK(parse_database("db", "user=" + std::string(128, 'x')).problems.size() == 1);
    CHECK(parse_user(std::string(127, 'x'), "").problems.empty());
    CHECK(parse_user(std::string(128, 'x'), "").problems.size() == 1);
    CHECK(parse_user("", "").problems.size() == 1);
}

TEST_CASE("the names of the console are reserved") {
    for (const char* name : {"pgbouncer", "weir"}) {
        CHECK(parse_database(name, "host=a").problems.size() == 1);
        CHECK(parse_database("db", std::string("auth_dbname=") + name).problems.size() == 1);
    }
    CHECK(parse_database("db", "dbname=pgbouncer").problems.empty());
}

TEST_CASE("who runs auth_query, what it is and where, may be said for each database") {
    const auto parsed =
        parse_database("db", "auth_user=a auth_query='select 1' auth_dbname=x auth_user=b host=h");
    CHECK(parsed.problems.empty());
    CHECK(parsed.entry.auth_user == "b");
    CHECK(parsed.entry.auth_query == "select 1");
    CHECK(parsed.entry.auth_dbname == "x");
}

TEST_CASE("every key of a user reaches its field") {
    const auto parsed =
        parse_user("u",
                   "pool_mode=statement pool_size=1 reserve_pool_size=2 max_user_connections=3 "
                   "max_user_client_connections=4 query_timeout=5 idle_transaction_timeout=6 "
                   "transaction_timeout=7 client_idle_timeout=8 query_wait_timeout=9");
    CHECK(parsed.problems.empty());
    const UserConfig& user = parsed.entry;
    CHECK(user.name == "u");
    CHECK(user.pool_mode == PoolMode::Statement);
    CHECK(user.pool_size == 1);
    CHECK(user.reserve_pool_size == 2);
    CHECK(user.max_user_connections == 3);
    CHECK(user.max_user_client_connections == 4);
    CHECK(user.query_timeout == std::chrono::seconds(5));
    CHECK(user.idle_transaction_timeout == std::chrono::seconds(6));
    CHECK(user.transaction_timeout == std::chrono::seconds(7));
    CHECK(user.client_idle_timeout == std::chrono::seconds(8));
    CHECK(user.query_wait_timeout == std::chrono::seconds(9));
}

TEST_CASE("peers have a number and need a host") {
    const auto parsed = parse_peer("3", "host=a,b port=7000 pool_size=2");
    CHECK(parsed.problems.empty());
    CHECK(parsed.entry == PeerConfig{3, {"a", "b"}, 7000, 2});
    CHECK(parse_peer("3", "host=a").entry.port == 6432);
    check_problem(parse_peer("3", "port=1"), "peer 3: has no host; add host=");
    for (const char* id : {"0", "16384", "x", "-1"}) {
        CAPTURE(id);
        CHECK(parse_peer(id, "host=a").problems.size() == 1);
    }
    CHECK(parse_peer("3", "host=a dbname=b").problems.size() == 1);
}

TEST_CASE("the key lists are the inventory of PgBouncer and our own") {
    CHECK(database_keys().size() == 23 + 6);  // reserve_pool included; and our own
    CHECK(user_keys().size() == 10 + 1);
    CHECK(peer_keys().size() == 3);
}

}  // namespace
}  // namespace weir::entries_test
