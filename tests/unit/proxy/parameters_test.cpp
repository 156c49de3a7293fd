// Goal: the settings of a client follow it from server to server: they are kept by index, compared,
// and written as SET commands that mean the same whatever the server's settings are.
// Method: by hand; the packed form beside a vector in random steps.
#include "proxy/server/parameters.h"

#include <doctest/doctest.h>

#include "protocol/base/random.h"

namespace weir::parameters_test {
namespace {

using std::string_literals::operator""s;

// The query that gives a server with `present` the `wanted` value of one parameter.
std::string set_query(std::string_view name, std::string_view wanted, std::string_view present) {
    const ParameterNames names({"search_path"});
    const auto index = static_cast<size_t>(names.index_of(name));
    TrackedParameters client, server;
    client.set(index, wanted);
    server.set(index, present);
    return make_set_query(names, client, server);
}

TEST_CASE("the five parameters of PgBouncer come first, extra ones behind them, once") {
    const ParameterNames names({"IntervalStyle", "timezone", "", "search_path", "intervalstyle"});
    REQUIRE(names.size() == 7);
    CHECK(names.name(0) == "client_encoding");
    CHECK(names.name(4) == "application_name");
    CHECK(names.name(5) == "IntervalStyle");
    CHECK(names.index_of("TIMEZONE") == 2);
    CHECK(names.index_of("datestyle") == 1);
    CHECK(names.index_of("Search_Path") == 6);
    CHECK(names.index_of("work_mem") == -1);
    CHECK(names.index_of("") == -1);
    CHECK(names.index_of("TimeZon") == -1);
}

TEST_CASE("texts are compared without case by all of their bytes") {
    CHECK(equals_ignoring_case("UTF8", "utf8"));
    CHECK(equals_ignoring_case("", ""));
    CHECK_FALSE(equals_ignoring_case("UTF8", "UTF"));
    CHECK_FALSE(equals_ignoring_case("a", "b"));
}

TEST_CASE("values are kept by index in any order of setting") {
    TrackedParameters p;
    CHECK(p.get(0).empty());
    CHECK(p.get(9).empty());
    p.set(3, "three");
    CHECK(p.get(3) == "three");
    CHECK(p.get(2).empty());
    CHECK(p.get(4).empty());
    p.set(0, "zero");
    p.set(3, "3");
    p.set(1, "a longer text than before");
    CHECK(p.get(0) == "zero");
    CHECK(p.get(1) == "a longer text than before");
    CHECK(p.get(3) == "3");
    p.set(0, "");
    CHECK(p.get(0).empty());
    CHECK(p.get(1) == "a longer text than before");
    p.set(2, "cut\0off"s);
    CHECK(p.get(2) == "cut");
    CHECK(p.get(3) == "3");
}

TEST_CASE("the same values set in another order are equal") {
    TrackedParameters a, b;
    a.set(0, "x");
    a.set(2, "z");
    b.set(2, "other");
    b.set(0, "x");
    CHECK_FALSE(a == b);
    b.set(2, "z");
    CHECK(a == b);
}

TEST_CASE("the packed form follows a vector through random steps") {
    Prng prng(14);
    TrackedParameters p;
    std::vector<std::string> model(8);
    for (int step = 0; step < 20'000; ++step) {
        const size_t index = prng.below(model.size());
        model[index] = std::string(prng.below(6), static_cast<char>('a' + prng.below(26)));
        p.set(index, model[index]);
        for (size_t i = 0; i < model.size(); ++i) {
            if (p.get(i) != model[i]) FAIL(step);
        }
    }
}

TEST_CASE("only what differs is set, in the order of the names") {
    const ParameterNames names({});
    TrackedParameters client, server;
    CHECK(make_set_query(names, client, server).empty());
    client.set(0, "UTF8");
    client.set(2, "UTC");
    client.set(4, "app");
    server.set(0, "SQL_ASCII");
    server.set(2, "UTC");
    CHECK(make_set_query(names, client, server) ==
          "SET client_encoding='UTF8';SET application_name='app';");
    CHECK(make_set_query(names, client, client).empty());
}

TEST_CASE("what the client never set is left as it is, but for application_name") {
    CHECK(set_query("TimeZone", "", "UTC").empty());
    CHECK(set_query("search_path", "", "public").empty());
    CHECK(set_query("application_name", "", "psql") == "SET application_name='';");
}

TEST_CASE("case does not matter but for application_name") {
    CHECK(set_query("client_encoding", "utf8", "UTF8").empty());
    CHECK(set_query("search_path", "A", "a").empty());
    CHECK(set_query("application_name", "App", "app") == "SET application_name='App';");
}

TEST_CASE("quotes and backslashes mean themselves") {
    CHECK(set_query("TimeZone", "a'b", "x") == "SET TimeZone='a''b';");
    CHECK(set_query("TimeZone", "a\\b", "x") == "SET TimeZone= E'a\\\\b';");
    CHECK(set_query("TimeZone", "\\'", "x") == "SET TimeZone= E'\\\\''';");
    CHECK(set_query("TimeZone", "';drop table t;--", "x") == "SET TimeZone=''';drop table t;--';");
    CHECK(set_query("DateStyle", "ISO, MDY", "German") == "SET DateStyle='ISO, MDY';");
    CHECK(set_query("application_name", "\xC3\xA4\n", "") == "SET application_name='\xC3\xA4\n';");
}

TEST_CASE("no value ends its literal, whatever is in it") {
    Prng prng(15);
    for (int round = 0; round < 20'000; ++round) {
        std::string value(1 + prng.below(12), ' ');
        for (char& c : value)
            c = "'\\;a"[prng.below(4)];
        const std::string query = set_query("application_name", value, "");
        // Read as PostgreSQL would with standard_conforming_strings on.
        size_t at = query.find('=') + 1;
        const bool is_escaped = query[at] == ' ';
        if (is_escaped) at += 2;
        std::string read;
        for (++at; at < query.size(); ++at) {
            if (query[at] == '\'' && query[at + 1] != '\'') break;
            if (query[at] == '\'' || (is_escaped && query[at] == '\\')) ++at;
            read += query[at];
        }
        if (read != value || query.substr(at) != "';") FAIL(query);
    }
}

TEST_CASE("settings are all values but application_name, each in its place") {
    using std::string_literals::operator""s;
    const ParameterNames names({"IntervalStyle"});
    REQUIRE(names.name(ParameterNames::kApplicationName) == "application_name");
    TrackedParameters p;
    std::string settings;
    p.append_settings(names, settings);
    CHECK(settings == std::string(5, '\0'));
    p.set(0, "UTF8");
    p.set(2, "UTC");
    p.set(4, "psql");
    p.set(5, "iso_8601");
    settings.clear();
    p.append_settings(names, settings);
    CHECK(settings == "UTF8\0\0UTC\0\0iso_8601\0"s);
}

}  // namespace
}  // namespace weir::parameters_test
