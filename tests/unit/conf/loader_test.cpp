// Goal: files become a Config, or every reason why not; and the rules of a reload.
// Method: in-memory files through load_config_with; one case uses real files in a temporary
// directory.
#include "conf/loader.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "conf/limits.h"

namespace weir::loader_test {
namespace {

using Files = std::map<std::string, std::string>;

LoadResult load(Files files, const Config* previous = nullptr) {
    return load_config_with("w.ini", previous,
                            [&files](const std::string& path) -> Result<std::string> {
                                const auto it = files.find(path);
                                if (it == files.end())
                                    return fail("58P01", "No such file or directory");
                                return it->second;
                            });
}

std::shared_ptr<const Config> good(const std::string& text, const Config* previous = nullptr) {
    const LoadResult result = load({{"w.ini", text}, {"users", "\"u\" \"p\"\n"}}, previous);
    for (const ConfigError& error : result.errors) {
        MESSAGE(to_string(error));
    }
    REQUIRE(result.config);
    CHECK(result.errors.empty());
    return result.config;
}

std::vector<std::string> bad(const std::string& text) {
    const LoadResult result = load({{"w.ini", text}});
    CHECK_FALSE(result.config);
    std::vector<std::string> texts;
    for (const ConfigError& error : result.errors) {
        texts.push_back(to_string(error));
    }
    return texts;
}

bool has_note(const std::vector<ConfigNote>& notes, int line, const std::string& text) {
    return std::any_of(notes.begin(), notes.end(), [&](const ConfigNote& note) {
        return note.file == "w.ini" && note.line == line &&
               note.text.find(text) != std::string::npos;
    });
}

using Lines = std::vector<std::string>;

TEST_CASE("a file with an empty [pgbouncer] section gives the defaults") {
    const auto config = good("[pgbouncer]\n");
    CHECK(config->global.listen_port == 6432);
    CHECK(config->global.conffile == "w.ini");
    CHECK(config->global.auth_query.find("pg_authid") != std::string::npos);
    CHECK(config->databases.empty());
    CHECK(config->needs_restart.empty());
}

TEST_CASE("sections fill their parts") {
    const auto config = good(
        "[databases]\napp = host=h\n* = host=w\n'my db' = host=m\n[users]\nu = pool_size=3\n"
        "[pgbouncer]\nlisten_port = 7000\nauth_file = users\n[weir]\nworkers = 2\n");
    CHECK(config->databases.size() == 2);
    CHECK(config->databases.count("my db") == 1);
    REQUIRE(config->wildcard_database);
    CHECK(config->wildcard_database->hosts == Lines{"w"});
    CHECK(config->users.at("u").pool_size == 3);
    CHECK(config->global.listen_port == 7000);
    CHECK(config->global.workers == 2);
    CHECK(config->secrets.at("u") == "p");
}

TEST_CASE("the [pgbouncer] section is required") {
    CHECK(bad("[databases]\na = host=h\n") ==
          Lines{"w.ini: there is no [pgbouncer] section; add the header, even without options"});
}

TEST_CASE("a missing file is an error with a remedy") {
    const LoadResult result = load({});
    CHECK_FALSE(result.config);
    REQUIRE(result.errors.size() == 1);
    CHECK(to_string(result.errors[0]) ==
          "w.ini: cannot read the file: No such file or directory; check the path and its "
          "permissions");
}

TEST_CASE("an unknown section is one error, not one for each of its lines") {
    const Lines errors = bad("[pgbouncer]\n[pools]\na = 1\nb = 2\n");
    CHECK(errors ==
          Lines{"w.ini:2: unknown section [pools]; the sections are [pgbouncer], [databases], "
                "[users], [peers], [weir], [backends], [backend:NAME] and [rate_limit:NAME]"});
}

TEST_CASE("a setting before any section is one error") {
    CHECK(
        bad("a = 1\nb = 2\n[pgbouncer]\n") ==
        Lines{
            "w.ini:1: \"a\" stands before any section; put a header such as [pgbouncer] above it"});
}

TEST_CASE("all errors of all files are told at once") {
    const LoadResult result = load(
        {{"w.ini",
          "[pgbouncer]\nlisten_port = x\nlisten_prot = 1\n%include more.ini\nauth_file = gone\n"
          "[databases]\na = port=0 hst=h\nb c = d\npgbouncer = host=h\n"},
         {"more.ini", "default_pool_size = many\n"}});
    CHECK_FALSE(result.config);
    Lines places;
    for (const ConfigError& error : result.errors) {
        places.push_back(error.file + ":" + std::to_string(error.line));
        CHECK((error.message.find("; ") != std::string::npos));
    }
    CHECK(places == Lines{"w.ini:2", "w.ini:3", "more.ini:1", "w.ini:7", "w.ini:7", "w.ini:8",
                          "w.ini:9", "w.ini:5"});
}

TEST_CASE("a file that is no configuration ends in a bounded list of errors") {
    std::string text = "[pgbouncer]\n";
    for (int i = 0; i < 100'000; ++i) {
        text += "listen_prot = 1\n";
    }
    const Lines errors = bad(text);
    REQUIRE(errors.size() == kConfigErrorsMax + 1);
    CHECK(errors.back().find("too many errors") != std::string::npos);
}

TEST_CASE("the last of two settings, databases, users or peers counts") {
    const auto config = good(
        "[databases]\na = host=1 pool_size=5\na = host=2\n[users]\nu = pool_size=1\nu = "
        "pool_size=2\n"
        "[peers]\n1 = host=x\n1 = host=y\n[pgbouncer]\nlisten_port=1\nlisten_port=2\n");
    CHECK(config->databases.at("a").hosts == Lines{"2"});
    CHECK(config->databases.at("a").pool_size == kInherit);
    CHECK(config->users.at("u").pool_size == 2);
    CHECK(config->global.listen_port == 2);
    REQUIRE(config->peers.size() == 1);
    CHECK(config->peers[0].hosts == Lines{"y"});
}

TEST_CASE("each [pgbouncer] header forgets the options before it, except those without default") {
    const auto config = good(
        "[pgbouncer]\nlisten_port = 1\nauth_file = users\nverbose = 1\nlog_stats = 0\n[databases]\n"
        "a =\n[pgbouncer]\nmax_client_conn = 5\n");
    CHECK(config->global.listen_port == 6432);
    CHECK(config->global.max_client_conn == 5);
    CHECK(config->global.auth_file == "users");
    CHECK(config->global.verbose == 1);
    CHECK(config->databases.size() == 1);
}

TEST_CASE("a section goes on through an included file and after it") {
    const LoadResult result = load({{"w.ini", "[pgbouncer]\n%include more.ini\nb = host=h\n"},
                                    {"more.ini", "listen_port = 7\n[databases]\na = host=h\n"}});
    REQUIRE(result.config);
    CHECK(result.config->global.listen_port == 7);
    CHECK(result.config->databases.size() == 2);
}

TEST_CASE("an older spelling sets its option, and peers are in the order of their numbers") {
    const auto config = good("[pgbouncer]\nservice_name = x\n[peers]\n2 = host=a\n1 = host=b\n");
    CHECK(config->global.job_name == "x");
    REQUIRE(config->peers.size() == 2);
    CHECK(config->peers[0].id == 1);
}

TEST_CASE("a missing auth_file is an error at the line that names it") {
    CHECK(bad("[pgbouncer]\nauth_file = gone\n") ==
          Lines{"w.ini:2: cannot read auth_file \"gone\": No such file or directory; create it, or "
                "correct the path, which is relative to the working directory"});
}

TEST_CASE("a broken auth_file keeps the users above the line and warns") {
    const LoadResult result = load({{"w.ini", "[pgbouncer]\nauth_file = users\n"},
                                    {"users", "\"a\" \"1\"\nbroken\n\"b\" \"2\"\n"}});
    REQUIRE(result.config);
    CHECK(result.config->secrets.size() == 1);
    REQUIRE_FALSE(result.config->warnings.empty());
    CHECK(result.config->warnings[0].file == "users");
    CHECK(result.config->warnings[0].line == 2);
}

TEST_CASE("a reload gives removed options their default and keeps those that have none") {
    const auto before = good(
        "[pgbouncer]\ndefault_pool_size = 7\nauth_file = users\nverbose = 2\n[weir]\nlogin_burst = "
        "3\n");
    const auto after = good("[pgbouncer]\n", before.get());
    CHECK(after->global.default_pool_size == 20);
    CHECK(after->global.login_burst == 32);
    CHECK(after->global.auth_file == "users");
    CHECK(after->global.verbose == 2);
    CHECK(after->secrets.size() == 1);
}

TEST_CASE("a reload keeps what needs a restart and says what the file wants") {
    const auto before = good("[pgbouncer]\nlisten_port = 7000\nunix_socket_mode = 0700\n");
    const auto after = good("[pgbouncer]\nlisten_port = 7001\n[weir]\nworkers = 4\n", before.get());
    CHECK(after->global.listen_port == 7000);
    CHECK(after->global.unix_socket_mode == 0700);
    CHECK(after->global.workers == 0);
    CHECK(after->needs_restart == std::vector<PendingRestart>{{"listen_port", "7000", "7001"},
                                                              {"unix_socket_mode", "0700", "0777"},
                                                              {"workers", "0", "4"}});
    const auto back =
        good("[pgbouncer]\nlisten_port = 7000\nunix_socket_mode = 0700\n", after.get());
    CHECK(back->needs_restart.empty());
}

TEST_CASE("conffile stays the path of the load until the file says otherwise") {
    const auto before = good("[pgbouncer]\nconffile = next.ini\n");
    CHECK(before->global.conffile == "next.ini");
    CHECK(good("[pgbouncer]\n", before.get())->global.conffile == "next.ini");
}

TEST_CASE("settings that defeat one another are warned about with their line") {
    const auto config = good(
        "[pgbouncer]\nmin_pool_size = 30\nreserve_pool_size = 1\nreserve_pool_timeout = 0\n"
        "max_client_conn = 0\nlisten_addr =\nunix_socket_dir =\nquery_timeout = 9\n"
        "transaction_timeout = 5\n[databases]\nd = pool_size=2 min_pool_size=3\ne = password=x\n");
    const std::vector<ConfigNote>& warnings = config->warnings;
    CHECK(has_note(warnings, 2, "min_pool_size (30) is above default_pool_size (20)"));
    CHECK(has_note(warnings, 3, "reserve_pool_size is never used"));
    CHECK(has_note(warnings, 5, "no client is let in"));
    CHECK(has_note(warnings, 6, "nothing to listen on"));
    CHECK(has_note(warnings, 8, "query_timeout (9 s) is above transaction_timeout (5 s)"));
    CHECK(has_note(warnings, 0, "auth_file is not set"));
    CHECK(has_note(warnings, 11, "database \"d\": min_pool_size (3) is above the pool size (2)"));
    CHECK(has_note(warnings, 12, "database \"e\": has a password but no user"));
    CHECK(warnings.size() == 8);
}

TEST_CASE("an ordinary file has no warning") {
    const auto config = good(
        "[databases]\nd = host=h user=u\n* = host=w pool_size=0 min_pool_size=5\n[pgbouncer]\n"
        "auth_file = users\nmin_pool_size = 5\nreserve_pool_size = 2\n");
    CHECK(config->warnings.empty());
}

TEST_CASE("databases without user are warned about when nobody is asked for a name") {
    const auto config = good("[pgbouncer]\nauth_type = any\n[databases]\n* = host=h\na = user=u\n");
    CHECK(has_note(config->warnings, 4, "database \"*\": auth_type any needs the user"));
    CHECK(config->warnings.size() == 1);
}

TEST_CASE("an auth_file without users and a file without databases are warned about") {
    const LoadResult result =
        load({{"w.ini", "[pgbouncer]\nauth_file = users\n"}, {"users", "; nobody\n"}});
    REQUIRE(result.config);
    CHECK(has_note(result.config->warnings, 2, "auth_file \"users\" holds no user"));
    CHECK(has_note(result.config->warnings, 0, "no database is configured"));
}

TEST_CASE("real files are read from the working directory's point of view") {
    char dir[] = "/tmp/weir-loader-XXXXXX";
    REQUIRE(mkdtemp(dir) != nullptr);
    const std::string base = dir;
    std::ofstream(base + "/w.ini")
        << "[pgbouncer]\nauth_file = " << base << "/users\n%include " << base << "/more.ini\n";
    std::ofstream(base + "/more.ini") << "listen_port = 5";  // no newline at the end
    std::ofstream(base + "/users") << "\"u\" \"p\"";
    const LoadResult result = load_config(base + "/w.ini", nullptr);
    REQUIRE(result.config);
    CHECK(result.config->global.listen_port == 5);
    CHECK(result.config->secrets.at("u") == "p");
    CHECK_FALSE(load_config(base + "/gone.ini", nullptr).config);
    for (const char* name : {"/w.ini", "/more.ini", "/users"}) {
        unlink((base + name).c_str());
    }
    rmdir(dir);
}

}  // namespace
}  // namespace weir::loader_test
