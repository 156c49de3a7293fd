// Goal: the keys of backends, and what an entry of [databases] says of hosts, ports and backends.
// Method: one case per rule; every key is set once and read back from its field.
#include "conf/backend_entries.h"

#include <doctest/doctest.h>

#include "conf/limits.h"

namespace weir::backend_entries_test {
namespace {

using Lines = std::vector<std::string>;

std::string only_problem(const Lines& problems) {
    REQUIRE(problems.size() == 1);
    return problems[0];
}

DatabaseConfig database(const char* text) {
    CAPTURE(text);
    const ParsedEntry<DatabaseConfig> parsed = parse_database("db", text);
    CHECK(parsed.problems.empty());
    return parsed.entry;
}

std::string database_problem(const char* text) {
    CAPTURE(text);
    return only_problem(parse_database("db", text).problems);
}

Lines names(const std::vector<BackendConfig>& backends) {
    Lines out;
    for (const BackendConfig& backend : backends) {
        out.push_back(backend.name);
    }
    return out;
}

TEST_CASE("every key of a backend reaches its field") {
    const auto parsed =
        parse_backend("pg-1.a_B",
                      "host=10.0.0.1 port=5433 weight=50 role=Replica zone=a max_connections=80 "
                      "patroni=http://10.0.0.1:8008/");
    CHECK(parsed.problems.empty());
    CHECK(parsed.entry == BackendConfig{"pg-1.a_B", "10.0.0.1", "a", 5433, 50, BackendRole::Replica,
                                        80, "http://10.0.0.1:8008"});
    CHECK(missing_of(parsed.entry).empty());
}

TEST_CASE("a backend of nothing but a host has the defaults") {
    CHECK(parse_backend("pg1", "host=h").entry ==
          BackendConfig{"pg1", "h", "", 5432, 100, BackendRole::Auto, 0, ""});
}

TEST_CASE("a section gives the same as a line, from plain values") {
    ParsedEntry<BackendConfig> parsed = begin_backend("pg1");
    set_backend(parsed, "host", "/run/my sockets");
    set_backend(parsed, "weight", "0");
    set_backend(parsed, "role", "primary");
    set_backend(parsed, "zone", "");
    CHECK(parsed.problems.empty());
    CHECK(parsed.entry ==
          BackendConfig{"pg1", "/run/my sockets", "", 5432, 0, BackendRole::Primary, 0, ""});
}

TEST_CASE("a backend without host misses it") {
    const Lines missing = missing_of(parse_backend("pg1", "port=1").entry);
    CHECK(only_problem(missing) == "backend \"pg1\": has no host; add host=");
}

TEST_CASE("what a backend may not say is told with a remedy") {
    CHECK(only_problem(parse_backend("pg1", "hst=a").problems) ==
          "backend \"pg1\": unknown key \"hst\"; did you mean \"host\"?");
    CHECK(only_problem(parse_backend("pg1", "password=a").problems) ==
          "backend \"pg1\": unknown key \"password\"; check its spelling or remove it");
    CHECK(only_problem(parse_backend("pg1", "host=a,b").problems) ==
          "backend \"pg1\": invalid host \"a,b\": a backend is one host; give each host a backend "
          "of its own");
    CHECK(only_problem(parse_backend("pg1", "host=a patroni=10.0.0.1:8008").problems) ==
          "backend \"pg1\": invalid patroni \"10.0.0.1:8008\": begins with neither http:// nor "
          "https://; give it as in http://10.0.0.1:8008");
    CHECK(only_problem(parse_backend("pg1", "host=a role=master").problems) ==
          "backend \"pg1\": invalid role \"master\": not a known word; give one of auto, primary, "
          "replica");
    for (const char* text : {"weight=-1", "weight=10001", "port=0", "port=1,2",
                             "max_connections=-1", "weight=1.5", "host", "host='a"}) {
        CAPTURE(text);
        const std::string problem = only_problem(parse_backend("pg1", text).problems);
        CHECK(problem.find("backend \"pg1\": ") == 0);
        CHECK(problem.find("; ") != std::string::npos);
    }
    ParsedEntry<BackendConfig> parsed = begin_backend("pg1");
    set_backend(parsed, "host", "");
    CHECK(only_problem(parsed.problems) ==
          "backend \"pg1\": invalid host \"\": names no host; give one");
    CHECK(parse_backend("pg1", "zone=" + std::string(kZoneNameBytesMax + 1, 'z')).problems.size() ==
          1);
}

TEST_CASE("the names of backends need no quotes anywhere and are unlike those of hosts") {
    for (const char* name : {"", "a b", "a,b", "a:5432", "/tmp", "a*", "\"a\""}) {
        CAPTURE(name);
        CHECK(begin_backend(name).problems.size() == 1);
    }
    CHECK(begin_backend(std::string(kBackendNameBytesMax, 'x')).problems.empty());
    CHECK(begin_backend(std::string(kBackendNameBytesMax + 1, 'x')).problems.size() == 1);
}

TEST_CASE("a database names backends, each once") {
    const DatabaseConfig db = database("backends=pg1,pg2");
    CHECK(db.has_named_backends);
    CHECK(names(db.backends) == Lines{"pg1", "pg2"});
    CHECK(names(database("backends='a, b' backends=c").backends) == Lines{"c"});
    CHECK(database_problem("backends=,").find("names no backend; give") != std::string::npos);
    CHECK(database_problem("backends=a,b,a").find("names \"a\" more than once; give") !=
          std::string::npos);
    std::string many = "backends=b0";
    for (int i = 1; i <= kBackendsMax; ++i) {
        many += ",b" + std::to_string(i);
    }
    CHECK(database_problem(many.c_str()).find("too many; give at most 64") != std::string::npos);
}

TEST_CASE("a database has backends or hosts, not both") {
    CHECK(database_problem("backends=a host=h") ==
          "database \"db\": has both host and backends; keep backends=, whose entries say where "
          "they are, or host=");
    const std::string problem =
        "database \"db\": has both port and backends; give each backend its own port=";
    CHECK(database_problem("backends=a port=6000") == problem);
    CHECK(database_problem("port=1,2 backends=a,b") == problem);
}

TEST_CASE("a database has one port, or one for each host") {
    const DatabaseConfig db = database("host=a,b port=5432,5433");
    CHECK(db.ports == std::vector<uint16_t>{5432, 5433});
    CHECK(db.port == 5432);
    CHECK(database("host=a,b port=6000").ports.empty());
    CHECK(database("host=a port=6000,").ports.empty());
    CHECK(database("host=a port=1,2 port=3").ports.empty());
    CHECK(database_problem("host=a,b,c port=1,2") ==
          "database \"db\": has 2 ports for 3 hosts; give one port, or one for each host");
    CHECK(database_problem("port=1,2") ==
          "database \"db\": has 2 ports for 1 host; give one port, or one for each host");
    CHECK(database_problem("host=a,b port=1,x").find("give a whole number from 1 to 65535") !=
          std::string::npos);
    CHECK(database_problem("host=a,b port=,").find("names no port; give") != std::string::npos);
}

TEST_CASE("the number of hosts is bounded") {
    std::string text = "host=h0";
    for (size_t i = 1; i < kHostsMax; ++i) {
        text += ",h" + std::to_string(i);
    }
    CHECK(database(text.c_str()).hosts.size() == kHostsMax);
    CHECK(database_problem((text + ",h").c_str()) ==
          "database \"db\": has 1001 hosts; give at most 1000");
}

TEST_CASE("the keys that choose a backend") {
    const auto parsed = parse_database(
        "db", "backends=a target_session_attrs=prefer-standby load_balance=peak_ewma zone=z");
    CHECK(parsed.entry.target_session_attrs == TargetSessionAttrs::PreferStandby);
    CHECK(parsed.entry.load_balance == LoadBalance::PeakEwma);
    CHECK(parsed.entry.zone == "z");
    const auto user = parse_user("u", "target_session_attrs=read-only");
    CHECK(user.entry.target_session_attrs == TargetSessionAttrs::ReadOnly);
    CHECK(database_problem("target_session_attrs=rw") ==
          "database \"db\": invalid target_session_attrs \"rw\": not a known word; give one of "
          "any, read-write, read-only, primary, standby, prefer-standby");
}

TEST_CASE("every host of a database becomes a backend with the name of its address") {
    const auto backends =
        backends_of_hosts(database("host=a,::1,/run/pg,@abs port=1,2,3,4"), "/unused");
    CHECK(names(backends) == Lines{"a:1", "[::1]:2", "/run/pg/.s.PGSQL.3", "@abs/.s.PGSQL.4"});
    CHECK(backends[1].host == "::1");
    CHECK(backends[1].port == 2);
    CHECK(names(backends_of_hosts(database("host=a,b port=7"), "")) == Lines{"a:7", "b:7"});
}

TEST_CASE("a database without hosts has its server behind the one unix socket") {
    const auto backends = backends_of_hosts(database("port=7"), "/run/pg");
    REQUIRE(backends.size() == 1);
    CHECK(backends[0].name == "/run/pg/.s.PGSQL.7");
    CHECK(backends[0].host == "/run/pg");
    CHECK(backends_of_hosts(database(""), "")[0].host == "/tmp");
}

TEST_CASE("a host listed twice is one backend of twice the weight") {
    const auto backends = backends_of_hosts(database("host=a,b,a"), "");
    CHECK(names(backends) == Lines{"a:5432", "b:5432"});
    CHECK(backends[0].weight == 200);
    CHECK(backends[1].weight == 100);
    CHECK(backends_of_hosts(database("host=a,a port=1,2"), "").size() == 2);
}

TEST_CASE("the words of backends print as they are written") {
    CHECK(std::string(to_string(BackendRole::Replica)) == "replica");
    CHECK(std::string(to_string(TargetSessionAttrs::ReadWrite)) == "read-write");
    CHECK(std::string(to_string(LoadBalance::WeightedRoundRobin)) == "weighted_round_robin");
    CHECK(backend_keys().size() == 7);
}

}  // namespace
}  // namespace weir::backend_entries_test
