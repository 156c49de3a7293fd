// Goal: a reload knows what changed and which server connections it makes worthless.
// Method: pairs of hand-built Configs that differ in one thing.
#include "conf/diff.h"

#include <doctest/doctest.h>

#include <functional>

namespace weir::diff_test {
namespace {

using Names = std::vector<std::string>;

DatabaseConfig database(const std::string& name) {
    DatabaseConfig db;
    db.name = name;
    db.dbname = name;
    db.hosts = {"h"};
    return db;
}

BackendConfig backend(const char* name, const char* host) {
    BackendConfig made;
    made.name = name;
    made.host = host;
    return made;
}

Config with(std::initializer_list<DatabaseConfig> databases) {
    Config config;
    for (const DatabaseConfig& db : databases) {
        config.databases[db.name] = db;
    }
    return config;
}

TEST_CASE("equal configurations have no difference") {
    const Config config = with({database("a")});
    CHECK(diff(config, config).empty());
}

TEST_CASE("databases are added, removed, recycled or adjusted") {
    DatabaseConfig moved = database("moved"), sized = database("sized");
    const Config from = with({database("gone"), moved, sized, database("same")});
    moved.hosts = {"elsewhere"};
    sized.pool_size = 5;
    const ConfigDelta delta = diff(from, with({database("new"), moved, sized, database("same")}));
    CHECK(delta.databases_added == Names{"new"});
    CHECK(delta.databases_removed == Names{"gone"});
    CHECK(delta.databases_recycled == Names{"moved"});
    CHECK(delta.databases_adjusted == Names{"sized"});
    CHECK_FALSE(delta.empty());
}

TEST_CASE("servers are recycled for where they lead and who they log in as, and for nothing else") {
    using Change = std::function<void(DatabaseConfig&)>;
    const Change recycling[] = {
        [](DatabaseConfig& db) { db.dbname = "x"; },
        [](DatabaseConfig& db) { db.hosts.push_back("x"); },
        [](DatabaseConfig& db) { db.port = 1; },
        [](DatabaseConfig& db) { db.user = "x"; },
        [](DatabaseConfig& db) { db.connect_query = "x"; },
        [](DatabaseConfig& db) { db.auth_dbname = "x"; },
        [](DatabaseConfig& db) { db.auth_query = "x"; },
        [](DatabaseConfig& db) { db.load_balance_hosts = LoadBalanceHosts::Disable; }};
    const Change adjusting[] = {[](DatabaseConfig& db) { db.password = "x"; },
                                [](DatabaseConfig& db) { db.auth_user = "x"; },
                                [](DatabaseConfig& db) { db.pool_size = 1; },
                                [](DatabaseConfig& db) { db.min_pool_size = 1; },
                                [](DatabaseConfig& db) { db.reserve_pool_size = 1; },
                                [](DatabaseConfig& db) { db.pool_mode = PoolMode::Session; },
                                [](DatabaseConfig& db) { db.max_db_connections = 1; },
                                [](DatabaseConfig& db) { db.max_db_client_connections = 1; },
                                [](DatabaseConfig& db) { db.server_lifetime = Duration(1); },
                                [](DatabaseConfig& db) { db.query_wait_timeout = Duration(1); },
                                [](DatabaseConfig& db) {
                                    db.startup_parameters = {{"a", "b"}};
                                }};
    const DatabaseConfig before = database("a");
    for (const Change& change : recycling) {
        DatabaseConfig after = before;
        change(after);
        CHECK(diff(with({before}), with({after})).databases_recycled == Names{"a"});
    }
    for (const Change& change : adjusting) {
        DatabaseConfig after = before;
        change(after);
        CHECK(diff(with({before}), with({after})).databases_adjusted == Names{"a"});
    }
}

TEST_CASE("servers are kept while the backends are the same servers") {
    using Change = std::function<void(DatabaseConfig&)>;
    DatabaseConfig before = database("a");
    before.backends = {backend("x", "h1"), backend("y", "h2")};
    const Change adjusting[] = {
        [](DatabaseConfig& db) { std::swap(db.backends[0], db.backends[1]); },
        [](DatabaseConfig& db) { db.backends[0].name = "renamed"; },
        [](DatabaseConfig& db) { db.backends[0].weight = 1; },
        [](DatabaseConfig& db) { db.backends[0].role = BackendRole::Primary; },
        [](DatabaseConfig& db) { db.backends[0].zone = "z"; },
        [](DatabaseConfig& db) { db.backends[0].max_connections = 1; },
        [](DatabaseConfig& db) { db.target_session_attrs = TargetSessionAttrs::Any; },
        [](DatabaseConfig& db) { db.load_balance = LoadBalance::Random; },
        [](DatabaseConfig& db) { db.zone = "z"; }};
    const Change recycling[] = {
        [](DatabaseConfig& db) { db.backends.pop_back(); },
        [](DatabaseConfig& db) { db.backends.push_back(backend("z", "h3")); },
        [](DatabaseConfig& db) { db.backends[0].host = "h3"; },
        [](DatabaseConfig& db) {
            db.backends = {backend("x", "h3"), backend("y", "h4")};
        },
        [](DatabaseConfig& db) { db.backends[0].port = db.backends[1].port = 1; }};
    for (const Change& change : adjusting) {
        DatabaseConfig after = before;
        change(after);
        CHECK(diff(with({before}), with({after})).databases_adjusted == Names{"a"});
    }
    for (const Change& change : recycling) {
        DatabaseConfig after = before;
        change(after);
        CHECK(diff(with({before}), with({after})).databases_recycled == Names{"a"});
    }
}

TEST_CASE("the star entry is compared like any other") {
    Config from, to;
    to.wildcard_database = database("*");
    CHECK(diff(from, to).databases_added == Names{"*"});
    CHECK(diff(to, from).databases_removed == Names{"*"});
    from.wildcard_database = to.wildcard_database;
    from.wildcard_database->port = 1;
    CHECK(diff(from, to).databases_recycled == Names{"*"});
}

TEST_CASE("users, secrets, peers and options are compared") {
    Config from, to;
    from.users["gone"] = {};
    from.users["kept"] = {};
    to.users["kept"] = {};
    to.users["new"] = {};
    from.users["changed"] = {};
    to.users["changed"].pool_size = 1;
    to.secrets["u"] = "s";
    to.peers.push_back({});
    to.global.default_pool_size = 5;
    to.global.auth_file = "f";
    to.needs_restart.push_back({"listen_port", "1", "2"});
    const ConfigDelta delta = diff(from, to);
    CHECK(delta.users_changed == Names{"changed", "gone", "new"});
    CHECK(delta.secrets_changed);
    CHECK(delta.peers_changed);
    REQUIRE(delta.options.size() == 2);
    CHECK(delta.options[0].option == "default_pool_size");
    CHECK(delta.options[0].from == "20");
    CHECK(delta.options[0].to == "5");
    CHECK(delta.options[1].option == "auth_file");
    CHECK(delta.needs_restart.size() == 1);
}

TEST_CASE("the fate of a database follows its name from star entry to own entry and back") {
    Config star, own, none;
    star.wildcard_database = database("");
    own.databases["a"] = database("a");
    CHECK(fate_of_database(star, star, "a") == DatabaseFate::Kept);
    CHECK(fate_of_database(star, own, "a") == DatabaseFate::Kept);
    CHECK(fate_of_database(own, none, "a") == DatabaseFate::Removed);
    CHECK(fate_of_database(none, own, "a") == DatabaseFate::Recycled);
    own.databases["a"].pool_size = 3;
    CHECK(fate_of_database(star, own, "a") == DatabaseFate::Adjusted);
    own.databases["a"].port = 3;
    CHECK(fate_of_database(own, star, "a") == DatabaseFate::Recycled);
}

}  // namespace
}  // namespace weir::diff_test
