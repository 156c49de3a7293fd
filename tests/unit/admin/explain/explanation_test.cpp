// Goal: what a configuration comes to is what the sessions and pools will use, each value with the
// line that says it. Method: one configuration with every way to say something.
#include "admin/explain/explanation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace weir::explanation_test {
namespace {

constexpr const char* kText =
    "[databases]\n"                                                              // 1
    "app = backends=pg1,pg2 pool_size=40 max_db_connections=50\n"                // 2
    "rep = host=10.0.0.2,10.0.0.3 user=rep password=secret pool_mode=session\n"  // 3
    "* = host=db.example.org\n"                                                  // 4
    "[backends]\n"                                                               // 5
    "pg1 = host=10.0.0.1 max_connections=30 zone=a role=primary\n"               // 6
    "pg2 = host=10.0.0.2\n"                                                      // 7
    "[users]\n"                                                                  // 8
    "rep = pool_size=7 query_timeout=30\n"                                       // 9
    "[pgbouncer]\n"                                                              // 10
    "auth_file = users\n"                                                        // 11
    "max_client_conn = 50\n"                                                     // 12
    "auth_ldap_options = ldapserver=h ldapbasedn=x ldapbindpasswd=hidden\n"      // 13
    "pool_mode = transaction\n";                                                 // 14

CheckReport report_of(const std::string& text) {
    CheckReport report;
    report.loaded = load_config_with("weir.ini", nullptr, [&text](const std::string& path) {
        return Result<std::string>(path == "weir.ini" ? text : "\"a\" \"x\"\n\"b\" \"x\"\n");
    });
    for (const ConfigError& error : report.loaded.errors)
        FAIL_CHECK(to_string(error));
    REQUIRE(report.loaded.config);
    return report;
}

Explanation explained(const std::string& text) {
    const CheckReport report = report_of(text);
    const Surroundings around{1000, 4, 4096, nullptr};
    return explain("weir.ini", report, around);
}

// "VALUE @ SOURCE" of a fact; empty when there is none.
std::string fact(const std::vector<Fact>& facts, const std::string& name) {
    const auto it = std::find_if(facts.begin(), facts.end(),
                                 [&name](const Fact& known) { return known.name == name; });
    return it == facts.end() ? "" : it->value + " @ " + it->source;
}

TEST_CASE("each value of a database, and where it comes from") {
    const Explanation all = explained(kText);
    REQUIRE(all.databases.size() == 3);
    const FactList& app = all.databases[0];
    CHECK(app.name == "app");
    CHECK(app.source == "weir.ini:2");
    CHECK(fact(app.facts, "server") ==
          "pg1 = 10.0.0.1 port 5432, role primary, weight 100, zone a, at most 30 connections @ "
          "weir.ini:6");
    CHECK(fact(app.facts, "dbname") == "app @ weir.ini:2");
    CHECK(fact(app.facts, "user") == "the client's (a pool each; 2 known users) @ default");
    CHECK(fact(app.facts, "pool_mode") == "transaction @ weir.ini:14");
    CHECK(fact(app.facts, "pool_size") == "40 @ weir.ini:2");
    CHECK(fact(app.facts, "max_db_connections") == "50 @ weir.ini:2");
    CHECK(fact(app.facts, "query_wait_timeout") == "120 s @ default");
    CHECK(fact(app.facts, "balancing") ==
          "each transaction goes where it is best served @ computed");
    CHECK(fact(app.facts, "load_balance") == "weighted_least_outstanding @ default");
    CHECK(fact(app.facts, "server connections") == "50 at the most @ computed");
    const FactList& rep = all.databases[1];
    CHECK(fact(rep.facts, "server") == "10.0.0.2 port 5432 @ weir.ini:3");
    CHECK(fact(rep.facts, "user") == "rep (all clients share one pool) @ weir.ini:3");
    CHECK(fact(rep.facts, "password") == "(set) @ weir.ini:3");
    CHECK(fact(rep.facts, "pool_mode") == "session @ weir.ini:3");
    CHECK(fact(rep.facts, "pool_size") == "7 @ weir.ini:9");
    CHECK(fact(rep.facts, "balancing") == "the servers are used in turn by one pool @ computed");
    const FactList& wildcard = all.databases[2];
    CHECK(wildcard.name == "*");
    CHECK(fact(wildcard.facts, "dbname") == "(the name asked for) @ weir.ini:4");
    CHECK(fact(wildcard.facts, "server connections") == "40 at the most, for each name @ computed");
    REQUIRE(all.users.size() == 1);
    CHECK(fact(all.users[0].facts, "query_timeout") == "30 s @ weir.ini:9");
    CHECK(fact(all.process, "max_client_conn") == "50 @ weir.ini:12");
    CHECK(fact(all.process, "listen_port") == "6432 @ default");
}

TEST_CASE("the most that each server may be asked for") {
    const Explanation all = explained(kText);
    REQUIRE(all.servers.size() == 4);
    CHECK(all.servers[0].endpoint == "10.0.0.1:5432");
    CHECK(all.servers[0].connections == 30);  // by its max_connections, not 50
    CHECK(all.servers[0].limit == 30);
    CHECK_FALSE(all.servers[0].is_open_ended);
    CHECK(all.servers[1].endpoint == "10.0.0.2:5432");  // pg2 of app, and by its address of rep
    CHECK(all.servers[1].connections == 57);
    CHECK(all.servers[1].databases == std::vector<std::string>{"app", "rep"});
    CHECK(all.servers[2].connections == 7);
    CHECK(all.servers[3].connections == 40);
    CHECK(all.servers[3].is_open_ended);
    CHECK(fact(all.totals, "server connections") == "134 @ computed");
    CHECK(fact(all.totals, "open files allowed") == "1000 @ ulimit -Hn of this shell");
}

TEST_CASE("pools without a limit, and users that no file names") {
    const Explanation all = explained(
        "[databases]\na = host=h pool_size=0\nb = host=::1 pool_size=0 max_db_connections=9\n"
        "[pgbouncer]\nauth_file = users\nauth_user = asker\n");
    CHECK(fact(all.databases[0].facts, "server connections") ==
          "unlimited, and more with users that no file names @ computed");
    CHECK(fact(all.databases[0].facts, "auth_user") == "asker @ weir.ini:6");
    REQUIRE(all.servers.size() == 2);
    CHECK(all.servers[0].connections == kUnlimited);
    CHECK(all.servers[1].endpoint == "[::1]:5432");
    CHECK(all.servers[1].connections == 9);
    CHECK(fact(all.totals, "server connections") == "unlimited @ computed");
    CHECK(explanation_text("weir.ini", all).find("h:5432: nothing limits the connections, for a") !=
          std::string::npos);
}

TEST_CASE("no secret is told, to people or to programs") {
    const Explanation all = explained(kText);
    const std::string text = explanation_text("weir.ini", all);
    const std::string json = explanation_json("weir.ini", all);
    for (const std::string& answer : {text, json}) {
        CHECK(answer.find("secret\"") == std::string::npos);
        CHECK(answer.find("=secret") == std::string::npos);
        CHECK(answer.find("hidden") == std::string::npos);
    }
}

TEST_CASE("the answer for programs") {
    const auto out = nlohmann::json::parse(explanation_json("weir.ini", explained(kText)));
    CHECK(out["file"] == "weir.ini");
    const auto& app = out["databases"]["app"];
    CHECK(app["source"] == "weir.ini:2");
    CHECK(app["settings"]["pool_size"]["value"] == "40");
    CHECK(app["settings"]["pool_size"]["source"] == "weir.ini:2");
    CHECK(app["settings"]["servers"].size() == 2);
    CHECK(out["servers"][0]["connections"] == 30);
    CHECK(out["servers"][1]["max_connections"].is_null());
    CHECK(out["totals"]["clients"]["value"] == "50");
    const auto is_advice = [](const auto& item, const char* id) { return item["id"] == id; };
    const auto& advice = out["advice"];
    CHECK(std::any_of(advice.begin(), advice.end(),
                      [&](const auto& item) { return is_advice(item, "session-mode"); }));
}

}  // namespace
}  // namespace weir::explanation_test
