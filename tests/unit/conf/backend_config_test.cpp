// Goal: files with many backends become a Config whose databases know all their servers, or the
// reasons why not. Method: in-memory files through load_config_with.
#include "conf/backend_config.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "conf/backend_check.h"
#include "conf/diff.h"
#include "conf/limits.h"
#include "conf/loader.h"

namespace weir::backend_config_test {
namespace {

using Lines = std::vector<std::string>;

LoadResult load(const std::string& text, const Config* previous = nullptr) {
    return load_config_with("w.ini", previous,
                            [&text](const std::string& path) -> Result<std::string> {
                                if (path == "w.ini") return text;
                                if (path == "users") return std::string("\"u\" \"p\"\n");
                                return fail("58P01", "No such file or directory");
                            });
}

ConfigPtr good(const std::string& text, const Config* previous = nullptr) {
    const LoadResult result = load("[pgbouncer]\nauth_file = users\n" + text, previous);
    for (const ConfigError& error : result.errors) {
        MESSAGE(to_string(error));
    }
    REQUIRE(result.config);
    return result.config;
}

// Without the two lines that good() puts in front.
Lines bad(const std::string& text) {
    const LoadResult result = load("[pgbouncer]\nauth_file = users\n" + text);
    CHECK_FALSE(result.config);
    Lines texts;
    for (const ConfigError& error : result.errors) {
        texts.push_back(std::to_string(error.line - 2) + ": " + error.message);
    }
    return texts;
}

Lines names(const DatabaseConfig& database) {
    Lines out;
    for (const BackendConfig& backend : database.backends) {
        out.push_back(backend.name);
    }
    return out;
}

Lines texts(const std::vector<ConfigNote>& notes) {
    Lines out;
    for (const ConfigNote& note : notes) {
        out.push_back(std::to_string(note.line - 2) + ": " + note.text);
    }
    return out;
}

constexpr const char* kTwo = "[backends]\na = host=h1 weight=10\nb = host=h2\n";

TEST_CASE("backends are found by name, whether defined before or after, in a line or a section") {
    const auto config = good(
        "[databases]\nd = backends=a,b\n* = backends=b\n[backends]\na = host=h1 zone='x y'\n"
        "[backend:b]\nhost = h2\nweight = 5\nzone = x y\n[databases]\ne = backends=b,a\n");
    const DatabaseConfig& d = config->databases.at("d");
    REQUIRE(names(d) == Lines{"a", "b"});
    CHECK(d.has_named_backends);
    CHECK(d.hosts == Lines{"h1", "h2"});
    CHECK(d.ports == std::vector<uint16_t>{5432, 5432});
    CHECK(d.backends[0] == BackendConfig{"a", "h1", "x y", 5432, 100, BackendRole::Auto, 0, ""});
    CHECK(d.backends[1] == BackendConfig{"b", "h2", "x y", 5432, 5, BackendRole::Auto, 0, ""});
    CHECK(names(config->databases.at("e")) == Lines{"b", "a"});
    CHECK(names(*config->find_database("other")) == Lines{"b"});
    CHECK(config->backends.size() == 2);
    CHECK(config->warnings.empty());
}

TEST_CASE("databases with hosts or a socket have backends, too") {
    const auto config = good(
        "unix_socket_dir = /run/w\n[databases]\nh = host=a,b port=1,2\ns = port=3\n* = host=c\n");
    CHECK(names(config->databases.at("h")) == Lines{"a:1", "b:2"});
    CHECK_FALSE(config->databases.at("h").has_named_backends);
    CHECK(names(config->databases.at("s")) == Lines{"/run/w/.s.PGSQL.3"});
    CHECK(names(*config->find_database("x")) == Lines{"c:5432"});
    CHECK(config->backends.empty());
}

TEST_CASE("the socket's directory is the running one until a restart") {
    const auto before = good("unix_socket_dir = /old\n[databases]\ns =\n");
    const auto after = good("unix_socket_dir = /new\n[databases]\ns =\n", before.get());
    CHECK(names(after->databases.at("s")) == Lines{"/old/.s.PGSQL.5432"});
    CHECK(fate_of_database(*before, *after, "s") == DatabaseFate::Kept);
}

TEST_CASE("of two definitions of a backend the last counts, whole") {
    const auto config = good(
        "[databases]\nd = backends=a,b\n[backends]\na = host=h1 weight=1\nb = host=x\n[backend:b]\n"
        "weight = 5\n[backend:a]\nhost = h2\n[backend:b]\nhost = h3\n");
    const DatabaseConfig& d = config->databases.at("d");
    REQUIRE(d.backends.size() == 2);
    CHECK(d.backends[0] == BackendConfig{"a", "h2", "", 5432, 100, BackendRole::Auto, 0, ""});
    CHECK(d.backends[1] == BackendConfig{"b", "h3", "", 5432, 100, BackendRole::Auto, 0, ""});
}

TEST_CASE("an unknown backend is an error where the database stands") {
    CHECK(bad("[databases]\nd = backends=pg1,pg22\ne = backends=other\n[backends]\npg1 = host=a\n"
              "pg2 = host=b\n") ==
          Lines{"2: database \"d\": unknown backend \"pg22\"; define it in [backends] or in a "
                "section [backend:pg22]; did you mean \"pg2\"?",
                "3: database \"e\": unknown backend \"other\"; define it in [backends] or in a "
                "section [backend:other]"});
}

TEST_CASE("the errors about backends are bounded, too") {
    std::string text = "[backends]\na = host=h weight=0\n[databases]\n";
    for (size_t i = 0; i < 2 * kConfigErrorsMax; ++i) {
        text += "d" + std::to_string(i) + " = backends=a\n";
    }
    CHECK(bad(text).size() == kConfigErrorsMax + 1);
}

TEST_CASE("errors in backends are told at their lines, once, and make no others") {
    CHECK(
        bad("[databases]\nd = backends=a,b\n[backend:a]\nhots = x\nweight = many\nhost = h\n"
            "[backends]\nb = port=5\n[backend:]\nhost = h\n") ==
        Lines{"4: backend \"a\": unknown key \"hots\"; did you mean \"host\"?",
              "5: backend \"a\": invalid weight \"many\": not a whole number; give a whole number "
              "from 0 to 10000",
              "9: the name of the backend is empty; give one, as in [backend:pg1] or pg1 = "
              "host=...",
              "8: backend \"b\": has no host; add host="});
}

TEST_CASE("backends that contradict each other are errors of their database") {
    CHECK(
        bad("[databases]\nd = backends=a,b\n[backends]\na = host=h1 weight=0\nb = host=h2 "
            "weight=0\n") ==
        Lines{"2: database \"d\": every backend has weight 0, so that none gets traffic; give one "
              "of them a weight"});
    CHECK(
        bad("[databases]\n* = backends=a,b\n[backends]\na = host=h port=1\nb = host=h port=1\n") ==
        Lines{"2: database \"*\": the backends \"a\" and \"b\" are the same server, h port 1; "
              "remove one and give the other more weight"});
    CHECK(bad("[databases]\nd = backends=a,b,c\n[backends]\na = host=h1 role=primary\nb = host=h2\n"
              "c = host=h3 role=primary\n") ==
          Lines{"2: database \"d\": the backends \"a\", \"c\" all have role=primary; keep it for "
                "one, or write role=auto"});
}

TEST_CASE("what is no contradiction loads") {
    const auto config = good(
        "[databases]\nd = backends=a,b\ne = backends=b target_session_attrs=primary\n"
        "f = backends=c\n[backends]\na = host=h1 weight=0 role=primary\nb = host=h1 port=2\n"
        "c = host=h1 role=primary\n");
    CHECK(config->databases.size() == 3);
    CHECK(config->warnings.empty());
    const auto plain = good("[databases]\nd = host=a,a target_session_attrs=standby\n");
    CHECK(plain->databases.at("d").backends.size() == 1);
    CHECK(plain->warnings.empty());
}

TEST_CASE("a backend that no database uses is warned about") {
    const auto config = good(std::string(kTwo) + "[databases]\nd = backends=b\n");
    CHECK(texts(config->warnings) ==
          Lines{"2: backend \"a\" is used by no database; name it in backends= of one, or remove "
                "it"});
}

TEST_CASE("a Patroni that is asked no more often than the server is warned about") {
    const char* backends =
        "[backends]\na = host=h1 patroni=http://h1:8008\n[databases]\nd = backends=a\n";
    CHECK(good(backends)->warnings.empty());
    CHECK(texts(good(std::string("[weir]\npatroni_interval = 1\n") + backends)->warnings) ==
          Lines{"2: patroni_interval (1 s) is not below probe_interval (1 s), so that no Patroni "
                "tells anything sooner than a probe; lower it"});
    CHECK(good("[weir]\npatroni_interval = 1\n[databases]\nd = host=h1\n")->warnings.empty());
    CHECK(bad("[weir]\npatroni_timeout = 0\n").size() == 1);
}

TEST_CASE("options of [weir] that contradict each other are errors at their lines") {
    CHECK(bad("[weir]\nlag_hard = 1\nprobe_timeout = 2\nprobe_interval_fast = 3\n"
              "ejection_time = 61\ndegraded_below = 70\n") ==
          Lines{"2: lag_hard (1 s) is below lag_soft (2 s); change one of them",
                "3: probe_timeout (2 s) is not below probe_interval (1 s); change one of them",
                "4: probe_interval_fast (3 s) is above probe_interval (1 s); change one of them",
                "5: ejection_time (61 s) is above ejection_time_max (60 s); change one of them",
                "6: degraded_below (70) is not below up_from (70); change one of them"});
    CHECK(contradictions(GlobalConfig()).empty());
    // The line is that of the option which the file sets.
    CHECK(bad("[weir]\nlag_soft = 20\n") ==
          Lines{"2: lag_hard (10 s) is below lag_soft (20 s); change one of them"});
    CHECK(bad("[weir]\nserver_tls_negotiation = direct\n") ==
          Lines{"2: server_tls_negotiation = direct leaves no way to go on without TLS, which "
                "server_tls_sslmode = prefer allows; change one of them"});
    CHECK(good("[pgbouncer]\nserver_tls_sslmode = require\n[weir]\nserver_tls_negotiation = "
               "direct\n[databases]\nd = host=h1\n")
              ->global.server_tls_negotiation == TlsNegotiation::Direct);
    // And contradictions of other sections are told with it.
    CHECK(bad("[weir]\nlag_soft = 20\n[rate_limit:a]\nrate = 1/s\nat = login\n"
              "[rate_limit:b]\nrate = 2/s\nat = login\n")
              .size() == 2);
    // A value that could not be read is no reason to find fault with the others.
    CHECK(bad("[weir]\nlag_hard = 1\nlag_soft = 0.5s\n").size() == 1);
    CHECK(good("[weir]\nlag_hard = 2\n")->global.lag_hard == std::chrono::seconds(2));
}

TEST_CASE("a database is routed when somebody says which server is wanted") {
    const auto routed = [](const std::string& text) {
        const auto config = good(text);
        return is_routed(*config, config->databases.at("d"));
    };
    CHECK(routed("[databases]\nd = backends=a\n[backends]\na = host=h1\n"));
    CHECK_FALSE(routed("[databases]\nd = host=h1,h2\n"));
    CHECK(routed("[databases]\nd = host=h1,h2 target_session_attrs=primary\n"));
    CHECK(routed("[databases]\nd = host=h1,h2 load_balance=random\n"));
    CHECK(routed("[databases]\nd = host=h1,h2\n[weir]\ntarget_session_attrs = read-write\n"));
    CHECK_FALSE(routed("[databases]\nd = host=h1 target_session_attrs=primary\n"));
}

TEST_CASE("a reload tells what becomes of the pools by the servers that are left") {
    const std::string databases = "[databases]\nd = backends=a,b\n";
    const auto before = good(databases + kTwo);
    const auto fate = [&before](const std::string& text) {
        return fate_of_database(*before, *good(text), "d");
    };
    CHECK(fate(databases + kTwo) == DatabaseFate::Kept);
    CHECK(fate(databases + "[backends]\na = host=h1 weight=20\nb = host=h2\n") ==
          DatabaseFate::Adjusted);
    // Backends by name have a pool each, and only those of one that is gone end.
    CHECK(fate("[databases]\nd = backends=a\n" + std::string(kTwo)) == DatabaseFate::Adjusted);
    CHECK(fate("[databases]\nd = host=h2\n") == DatabaseFate::Recycled);
    CHECK(fate(databases + "[backends]\na = host=h1 port=1\nb = host=h2 port=1\n") ==
          DatabaseFate::Adjusted);
    CHECK(fate("[databases]\nd = host=h3\n") == DatabaseFate::Recycled);
    CHECK(fate(kTwo) == DatabaseFate::Removed);
}

TEST_CASE("the password of probes is never told, but a new one is noticed") {
    const auto before = good("[weir]\nprobe_password = hidden1\n");
    const auto after = good("[weir]\nprobe_password = hidden2\n", before.get());
    CHECK(after->global.probe_password == "hidden2");
    const ConfigDelta delta = diff(*before, *after);
    REQUIRE(delta.options.size() == 1);
    CHECK(delta.options[0].option == "probe_password");
    CHECK(delta.options[0].from == "********");
    CHECK(delta.options[0].to == "********");
}

}  // namespace
}  // namespace weir::backend_config_test
