// Goal: look-ups and precedence: user before database before [pgbouncer], as PgBouncer has it.
// Method: a Config built by hand, with a value on each level, levels removed one by one.
#include "conf/config.h"

#include <doctest/doctest.h>

namespace weir::config_test {
namespace {

using std::chrono::seconds;

Config three_levels() {
    Config config;
    config.global.pool_mode = PoolMode::Session;
    config.global.default_pool_size = 1;
    config.global.min_pool_size = 2;
    config.global.reserve_pool_size = 3;
    config.global.max_db_connections = 4;
    config.global.max_db_client_connections = 5;
    config.global.max_user_connections = 6;
    config.global.max_user_client_connections = 7;
    config.global.query_wait_timeout = seconds(8);
    config.global.server_lifetime = seconds(9);
    UserConfig user;
    user.name = "u";
    config.users["u"] = user;
    return config;
}

TEST_CASE("a database is found by its name, else made from the star entry") {
    Config config;
    config.databases["a"].name = "a";
    config.databases["a"].dbname = "real";
    CHECK(config.find_database("a")->dbname == "real");
    CHECK_FALSE(config.find_database("b"));
    config.wildcard_database.emplace();
    config.wildcard_database->name = "*";
    config.wildcard_database->port = 7;
    CHECK(config.find_database("a")->port == 5432);
    CHECK(config.find_database("b")->name == "b");
    CHECK(config.find_database("b")->dbname == "b");
    CHECK(config.find_database("b")->port == 7);
    config.wildcard_database->dbname = "one";
    CHECK(config.find_database("b")->dbname == "one");
}

TEST_CASE("the star entry does not serve empty or overlong names") {
    Config config;
    config.wildcard_database.emplace();
    CHECK(config.find_database(std::string(63, 'x')));
    CHECK_FALSE(config.find_database(std::string(64, 'x')));
    CHECK_FALSE(config.find_database(""));
}

TEST_CASE("users and secrets are found or absent") {
    Config config = three_levels();
    config.secrets["s"] = "x";
    CHECK(config.find_user("u")->name == "u");
    CHECK(config.find_user("v") == nullptr);
    CHECK(*config.find_secret("s") == "x");
    CHECK(config.find_secret("t") == nullptr);
}

TEST_CASE("sizes and the pool mode come from the user, the database, then [pgbouncer]") {
    Config config = three_levels();
    DatabaseConfig db;
    CHECK(effective_pool_mode(config, db, "u") == PoolMode::Session);
    CHECK(effective_pool_size(config, db, "u") == 1);
    CHECK(effective_reserve_pool_size(config, db, "u") == 3);
    db.pool_mode = PoolMode::Transaction;
    db.pool_size = 10;
    db.reserve_pool_size = 11;
    CHECK(effective_pool_mode(config, db, "u") == PoolMode::Transaction);
    CHECK(effective_pool_size(config, db, "u") == 10);
    CHECK(effective_reserve_pool_size(config, db, "u") == 11);
    config.users["u"].pool_mode = PoolMode::Statement;
    config.users["u"].pool_size = 20;
    config.users["u"].reserve_pool_size = 21;
    CHECK(effective_pool_mode(config, db, "u") == PoolMode::Statement);
    CHECK(effective_pool_size(config, db, "u") == 20);
    CHECK(effective_reserve_pool_size(config, db, "u") == 21);
    CHECK(effective_pool_mode(config, db, "other") == PoolMode::Transaction);
    CHECK(effective_pool_size(config, db, "other") == 10);
}

TEST_CASE("zero is a value of its own and means unlimited") {
    Config config = three_levels();
    DatabaseConfig db;
    db.pool_size = 0;
    db.max_db_connections = 0;
    config.users["u"].max_user_connections = 0;
    CHECK(effective_pool_size(config, db, "u") == 0);
    CHECK(effective_max_db_connections(config, db) == 0);
    CHECK(effective_max_user_connections(config, "u") == 0);
}

TEST_CASE("limits that are negative everywhere are unlimited") {
    Config config;
    config.global.max_db_connections = -1;
    config.global.max_user_connections = -1;
    CHECK(effective_max_db_connections(config, {}) == 0);
    CHECK(effective_max_user_connections(config, "u") == 0);
}

TEST_CASE("limits of databases and users come before those of [pgbouncer]") {
    Config config = three_levels();
    DatabaseConfig db;
    CHECK(effective_min_pool_size(config, db) == 2);
    CHECK(effective_max_db_connections(config, db) == 4);
    CHECK(effective_max_db_client_connections(config, db) == 5);
    CHECK(effective_max_user_connections(config, "u") == 6);
    CHECK(effective_max_user_client_connections(config, "u") == 7);
    db.min_pool_size = 12;
    db.max_db_connections = 14;
    db.max_db_client_connections = 15;
    config.users["u"].max_user_connections = 16;
    config.users["u"].max_user_client_connections = 17;
    CHECK(effective_min_pool_size(config, db) == 12);
    CHECK(effective_max_db_connections(config, db) == 14);
    CHECK(effective_max_db_client_connections(config, db) == 15);
    CHECK(effective_max_user_connections(config, "u") == 16);
    CHECK(effective_max_user_client_connections(config, "u") == 17);
    CHECK(effective_max_user_client_connections(config, "other") == 7);
}

TEST_CASE("times come from the user, the database, then [pgbouncer]") {
    Config config = three_levels();
    DatabaseConfig db;
    CHECK(effective_query_wait_timeout(config, db, "u") == seconds(8));
    CHECK(effective_server_lifetime(config, db) == seconds(9));
    db.query_wait_timeout = seconds(18);
    db.server_lifetime = seconds(19);
    CHECK(effective_query_wait_timeout(config, db, "u") == seconds(18));
    CHECK(effective_server_lifetime(config, db) == seconds(19));
    UserConfig& user = config.users["u"];
    user.query_wait_timeout = seconds(28);
    user.query_timeout = seconds(1);
    user.idle_transaction_timeout = seconds(2);
    user.transaction_timeout = seconds(3);
    user.client_idle_timeout = seconds(4);
    CHECK(effective_query_wait_timeout(config, db, "u") == seconds(28));
    CHECK(effective_query_timeout(config, "u") == seconds(1));
    CHECK(effective_idle_transaction_timeout(config, "u") == seconds(2));
    CHECK(effective_transaction_timeout(config, "u") == seconds(3));
    CHECK(effective_client_idle_timeout(config, "u") == seconds(4));
    CHECK(effective_query_timeout(config, "other") == seconds(0));
    CHECK(effective_idle_transaction_timeout(config, "other") == seconds(0));
    CHECK(effective_transaction_timeout(config, "other") == seconds(0));
    CHECK(effective_client_idle_timeout(config, "other") == seconds(0));
}

TEST_CASE("modes have the words of the files") {
    CHECK(std::string(to_string(PoolMode::Session)) == "session");
    CHECK(std::string(to_string(PoolMode::Transaction)) == "transaction");
    CHECK(std::string(to_string(PoolMode::Statement)) == "statement");
    CHECK(std::string(to_string(LoadBalanceHosts::RoundRobin)) == "round-robin");
    CHECK(std::string(to_string(LoadBalanceHosts::Disable)) == "disable");
    CHECK(std::string(to_string(SizingMode::Fixed)) == "fixed");
    CHECK(std::string(to_string(SizingMode::Demand)) == "demand");
    CHECK(std::string(to_string(SizingMode::Adaptive)) == "adaptive");
}

TEST_CASE("which backends will do is the user's word, then the database's, then the option's") {
    Config config;
    DatabaseConfig db;
    CHECK(effective_target_session_attrs(config, db, "u") == TargetSessionAttrs::Any);
    config.global.target_session_attrs = TargetSessionAttrs::Primary;
    CHECK(effective_target_session_attrs(config, db, "u") == TargetSessionAttrs::Primary);
    db.target_session_attrs = TargetSessionAttrs::Standby;
    config.users["u"];
    CHECK(effective_target_session_attrs(config, db, "u") == TargetSessionAttrs::Standby);
    config.users["u"].target_session_attrs = TargetSessionAttrs::Any;
    CHECK(effective_target_session_attrs(config, db, "u") == TargetSessionAttrs::Any);
    CHECK(effective_target_session_attrs(config, db, "v") == TargetSessionAttrs::Standby);
}

TEST_CASE("a database may have its own zone and its own way to choose a backend") {
    Config config;
    DatabaseConfig db;
    config.global.zone = "a";
    config.global.load_balance = LoadBalance::Random;
    CHECK(effective_zone(config, db) == "a");
    CHECK(effective_pool_sizing(config, db) == SizingMode::Demand);
    config.global.pool_sizing = SizingMode::Fixed;
    CHECK(effective_pool_sizing(config, db) == SizingMode::Fixed);
    db.pool_sizing = SizingMode::Adaptive;
    CHECK(effective_pool_sizing(config, db) == SizingMode::Adaptive);
    CHECK(effective_load_balance(config, db) == LoadBalance::Random);
    db.load_balance_hosts = LoadBalanceHosts::Disable;
    CHECK(effective_load_balance(config, db) == LoadBalance::First);
    db.zone = "b";
    db.load_balance = LoadBalance::PeakEwma;
    CHECK(effective_zone(config, db) == "b");
    CHECK(effective_load_balance(config, db) == LoadBalance::PeakEwma);
}

TEST_CASE("it is told whose word target_session_attrs is") {
    Config config;
    DatabaseConfig db;
    CHECK(target_session_attrs_word(config, db, "u").of == WordOf::Default);
    db.target_session_attrs = TargetSessionAttrs::Standby;
    config.users["u"];
    CHECK(target_session_attrs_word(config, db, "u").of == WordOf::Database);
    config.users["u"].target_session_attrs = TargetSessionAttrs::Any;
    CHECK(target_session_attrs_word(config, db, "u").of == WordOf::User);
    CHECK(target_session_attrs_word(config, db, "").of == WordOf::Database);
}

}  // namespace
}  // namespace weir::config_test
