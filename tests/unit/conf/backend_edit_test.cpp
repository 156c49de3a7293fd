// Goal: a backend can be added to and removed from a configuration that runs, nothing that a file
// would be refused for gets in that way, and what a reload takes back is told. Method: in-memory
// files, one edit after another.
#include "conf/backend_edit.h"

#include <doctest/doctest.h>
#include <spdlog/fmt/fmt.h>

#include "conf/diff.h"
#include "conf/limits.h"
#include "conf/loader.h"

namespace weir::backend_edit_test {
namespace {

using Lines = std::vector<std::string>;

ConfigPtr loaded(const std::string& text) {
    const std::string file = "[pgbouncer]\nauth_file = users\n" + text;
    const LoadResult result =
        load_config_with("w.ini", nullptr, [&file](const std::string& path) -> Result<std::string> {
            return path == "w.ini" ? file : std::string("\"u\" \"p\"\n");
        });
    for (const ConfigError& error : result.errors) {
        MESSAGE(to_string(error));
    }
    REQUIRE(result.config);
    return result.config;
}

constexpr const char* kFile =
    "[databases]\nd = backends=a,b\ne = backends=b\nplain = host=h1\n"
    "list = host=h1,h2 load_balance=random\n* = backends=a,b\n"
    "[backends]\na = host=h1 weight=10\nb = host=h2\nspare = host=h3 port=6000 zone=z\n";

Lines names(const Config& config, const char* database) {
    const auto entry = config.find_database(database);
    Lines out;
    for (const BackendConfig& backend : entry->backends) {
        out.push_back(backend.name);
    }
    return out;
}

ConfigPtr add(const ConfigPtr& from, const char* name, const char* settings, const char* database) {
    const auto next = with_backend(*from, {name, settings, database});
    REQUIRE_MESSAGE(next, next.error().message);
    return *next;
}

ConfigPtr remove(const ConfigPtr& from, const char* name,
                 const std::optional<std::string>& database = {}) {
    const auto next = without_backend(*from, name, database);
    REQUIRE_MESSAGE(next, next.error().message);
    return *next;
}

std::string text_of(const Result<ConfigPtr>& result) {
    if (result) return "taken";
    return result.error().sqlstate + " " + result.error().message;
}

std::string add_error(const Config& from, const char* name, const char* settings,
                      const char* database) {
    return text_of(with_backend(from, {name, settings, database}));
}

std::string remove_error(const Config& from, const char* name,
                         const std::optional<std::string>& database = {}) {
    return text_of(without_backend(from, name, database));
}

TEST_CASE("a backend is added with all that a line of the file can say") {
    const ConfigPtr before = loaded(kFile);
    const ConfigPtr after =
        add(before, "c",
            "host=h4 port=5433 weight=50 role=replica zone=b max_connections=80 "
            "patroni=http://h4:8008",
            "d");
    CHECK(names(*before, "d") == Lines{"a", "b"});
    REQUIRE(names(*after, "d") == Lines{"a", "b", "c"});
    const DatabaseConfig& d = after->databases.at("d");
    CHECK(d.backends[2] ==
          BackendConfig{"c", "h4", "b", 5433, 50, BackendRole::Replica, 80, "http://h4:8008"});
    CHECK(d.hosts == Lines{"h1", "h2", "h4"});
    CHECK(d.ports == std::vector<uint16_t>{5432, 5432, 5433});
    CHECK(after->backends.at("c") == d.backends[2]);
    CHECK(names(*after, "e") == Lines{"b"});
    CHECK(fate_of_database(*before, *after, "d") == DatabaseFate::Adjusted);
    CHECK(fate_of_database(*before, *after, "e") == DatabaseFate::Kept);
    // It is the definition of that name from now on.
    CHECK(names(*add(after, "c", "", "e"), "e") == Lines{"b", "c"});
}

TEST_CASE("a backend that the file defines is added by its name alone, or with the same settings") {
    const ConfigPtr before = loaded(kFile);
    CHECK(names(*add(before, "spare", "", "d"), "d") == Lines{"a", "b", "spare"});
    const ConfigPtr after = add(before, "spare", "zone=z port=6000 host=h3", "e");
    CHECK(names(*after, "e") == Lines{"b", "spare"});
    CHECK(add_error(*before, "spare", "host=h3", "d") ==
          "42710 ADD BACKEND: the name \"spare\" is in use with other settings (host=h3 port=6000 "
          "weight=100); choose another name, or leave the settings out to use that one");
}

TEST_CASE("a list of hosts that is routed, and \"*\", take backends, too") {
    const ConfigPtr before = loaded(kFile);
    const ConfigPtr list = add(before, "c", "host=h9", "list");
    CHECK(names(*list, "list") == Lines{"h1:5432", "h2:5432", "c"});
    const ConfigPtr one = remove(remove(list, "h1:5432"), "c", "list");
    CHECK(names(*one, "list") == Lines{"h2:5432"});
    CHECK(is_routed(*one, one->databases.at("list")));
    const ConfigPtr star = add(before, "c", "host=h9", "*");
    CHECK(names(*star, "whatever") == Lines{"a", "b", "c"});
    CHECK(names(*star, "d") == Lines{"a", "b"});
    CHECK(names(*remove(star, "a", "*"), "whatever") == Lines{"b", "c"});
}

TEST_CASE("what a file would be refused for is refused") {
    const ConfigPtr c = loaded(kFile);
    CHECK(add_error(*c, "c", "host=h4 port=99999", "d")
              .starts_with("22023 ADD BACKEND: backend \"c\": invalid port \"99999\": "));
    CHECK(add_error(*c, "c", "hots=h4", "d")
              .starts_with("22023 ADD BACKEND: backend \"c\": unknown key \"hots\""));
    CHECK(add_error(*c, "c", "port=1", "d") ==
          "22023 ADD BACKEND: backend \"c\": has no host; add host=");
    CHECK(add_error(*c, "c:1", "host=h4", "d")
              .starts_with("22023 ADD BACKEND: the name \"c:1\" is not one of a backend"));
    CHECK(add_error(*c, "c", "host=h2", "d") ==
          "22023 ADD BACKEND: database \"d\": the backends \"b\" and \"c\" are the same server, h2 "
          "port 5432; remove one and give the other more weight");
    // Everything is told, each with its place.
    CHECK(add_error(*c, "c", "weight=x role=y", "d")
              .find("\nADD BACKEND: backend \"c\": invalid role") != std::string::npos);
    const ConfigPtr primary = add(c, "c", "host=h4 role=primary", "d");
    CHECK(
        add_error(*primary, "p", "host=h5 role=primary", "d") ==
        "22023 ADD BACKEND: database \"d\": the backends \"c\", \"p\" all have role=primary; keep "
        "it for one, or write role=auto");
}

TEST_CASE("what cannot be is refused with what to do instead") {
    const ConfigPtr c = loaded(kFile);
    CHECK(add_error(*c, "nobody", "", "d") ==
          "42704 ADD BACKEND: no backend \"nobody\" is defined; say where it is, as in ADD BACKEND "
          "nobody 'host=10.0.0.3' TO database");
    CHECK(add_error(*c, "a", "", "d") ==
          "42710 ADD BACKEND: database \"d\" has the backend \"a\" already; REWEIGHT changes its "
          "share");
    CHECK(add_error(*c, "c", "host=h9", "plain") ==
          "55000 ADD BACKEND: database \"plain\" is not routed over backends, its clients count on "
          "what host= says; write backends= with the names of all its servers in place of host= "
          "and port= in [databases], define each in [backends], and RELOAD");
    CHECK(add_error(*c, "c", "host=h9", "other") ==
          "3D000 ADD BACKEND: database \"other\" has no entry of its own, it comes from \"*\"; add "
          "an entry with backends= to [databases] and RELOAD, or name \"*\" instead");
    const ConfigPtr starless = loaded("[databases]\nd = backends=a\n[backends]\na = host=h\n");
    CHECK(add_error(*starless, "c", "host=h9", "other") ==
          "3D000 ADD BACKEND: no such database: \"other\"; SHOW DATABASES lists those there are");
    CHECK(add_error(*starless, "c", "host=h9", "*").starts_with("3D000 "));
    ConfigPtr full = starless;
    for (int i = 1; i < kBackendsMax; ++i) {
        full =
            add(full, fmt::format("x{}", i).c_str(), fmt::format("host=h port={}", i).c_str(), "d");
    }
    CHECK(add_error(*full, "c", "host=h9", "d") ==
          "22023 ADD BACKEND: database \"d\": 65 backends are too many; give at most 64");
}

TEST_CASE("a backend is removed from one database or from all, never the last one") {
    const ConfigPtr c = loaded(kFile);
    CHECK(names(*remove(c, "a"), "d") == Lines{"b"});
    CHECK(names(*remove(c, "a"), "whatever") == Lines{"b"});
    CHECK(names(*remove(c, "a", "d"), "whatever") == Lines{"a", "b"});
    CHECK(names(*remove(c, "b", "d"), "e") == Lines{"b"});
    const std::string last =
        "55000 REMOVE BACKEND: backend \"b\" is the last one of database \"e\"; add another first, "
        "or remove the database from [databases] and RELOAD";
    CHECK(remove_error(*c, "b", "e") == last);
    CHECK(remove_error(*c, "b") == last);
    CHECK(remove_error(*c, "nobody") ==
          "42704 REMOVE BACKEND: no such backend: \"nobody\"; SHOW BACKENDS lists those there are");
    CHECK(remove_error(*c, "a", "e") ==
          "42704 REMOVE BACKEND: no such backend of database \"e\": \"a\"; SHOW BACKENDS lists "
          "those there are");
    CHECK(remove_error(*c, "h1:5432", "plain").starts_with("55000 REMOVE BACKEND: database"));
    CHECK(remove_error(*c, "a", "other").starts_with("3D000 REMOVE BACKEND: database"));
    // Who is left must be able to serve.
    const ConfigPtr idle =
        loaded("[databases]\nd = backends=a,b\n[backends]\na = host=h1\nb = host=h2 weight=0\n");
    CHECK(remove_error(*idle, "a") ==
          "22023 REMOVE BACKEND: database \"d\": every backend has weight 0, so that none gets "
          "traffic; give one of them a weight");
}

TEST_CASE("a definition of the console's goes with its last use, one of the file stays") {
    const ConfigPtr c = loaded(kFile);
    const ConfigPtr twice = add(add(c, "c", "host=h9", "d"), "c", "", "e");
    const ConfigPtr once = remove(twice, "c", "d");
    CHECK(once->backends.count("c") == 1);
    const ConfigPtr gone = remove(once, "c");
    CHECK(gone->backends.count("c") == 0);
    CHECK(names(*add(gone, "c", "host=elsewhere", "d"), "d") == Lines{"a", "b", "c"});
    const ConfigPtr without = remove(c, "a");
    CHECK(without->backends.count("a") == 1);
    CHECK(names(*add(without, "a", "", "d"), "d") == Lines{"b", "a"});
}

TEST_CASE("a load of the files tells what it takes back") {
    const ConfigPtr c = loaded(kFile);
    CHECK(undone_edits(*c, *c).empty());
    const ConfigPtr added = add(c, "c", "host=h9 port=7000", "d");
    CHECK(undone_edits(*added, *c) ==
          Lines{"backend \"c\" (h9 port 7000), which ADD BACKEND had added to database \"d\", is "
                "dropped: the files do not have it; to keep it define it in [backends] and name it "
                "in backends= of the database"});
    const ConfigPtr kept =
        loaded("[databases]\nd = backends=a,z\n[backends]\na = host=h1\nz = host=h9 port=7000\n");
    CHECK(undone_edits(*added, *kept).empty());
    CHECK(undone_edits(*remove(added, "c"), *c).empty());
    const ConfigPtr removed = remove(c, "a", "d");
    CHECK(undone_edits(*removed, *c) ==
          Lines{"backend \"a\", which REMOVE BACKEND had taken from database \"d\", is back: the "
                "files still have it; to be rid of it take it out of backends= of the database"});
    CHECK(undone_edits(*add(removed, "a", "", "d"), *c).empty());
    const ConfigPtr without = loaded("[databases]\ne = backends=b\n[backends]\nb = host=h2\n");
    CHECK(undone_edits(*removed, *without).empty());
    CHECK(undone_edits(*added, *without).size() == 1);
}

}  // namespace
}  // namespace weir::backend_edit_test
