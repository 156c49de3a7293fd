// Goal: each piece of advice is given when it applies, at the line that it is about, and not
// otherwise. Method: a configuration without any; one change for each rule.
#include "admin/explain/advice.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

namespace weir::advice_test {
namespace {

struct Change {
    const char* id;
    const char* was;  // a line of the quiet configuration
    const char* is;   // what stands there instead
    const char* says;
};

constexpr const char* kQuiet =
    "[databases]\n"
    "app = host=10.0.0.1 pool_size=20\n"
    "[pgbouncer]\n"
    "listen_addr = 10.0.0.9\n"
    "auth_type = scram-sha-256\n"
    "auth_file = users\n"
    "client_tls_sslmode = require\n"
    "client_tls_key_file = key\n"
    "client_tls_cert_file = cert\n"
    "server_tls_sslmode = verify-full\n"
    "server_tls_ca_file = ca\n"
    "unix_socket_dir = /run/weir\n"
    "admin_users = root\n"
    "stats_users = watch\n"
    "pool_mode = transaction\n"
    "max_client_conn = 900\n"
    "idle_transaction_timeout = 60\n"
    "tcp_keepidle = 60\n"
    "ignore_startup_parameters = extra_float_digits\n"
    "logfile = weir.log\n"
    "[weir]\n"
    "workers = 2\n";

constexpr const char* kScram = "\"a\" \"SCRAM-SHA-256$4096:c2FsdA==$AA==:AA==\"\n";

constexpr Change kChanges[] = {
    {"trust-on-network", "auth_type = scram-sha-256", "auth_type = trust",
     "auth_type = trust lets"},
    {"trust-on-network", "auth_type = scram-sha-256", "auth_type = hba\nauth_hba_file = rules",
     "the rule trusts"},
    {"clear-passwords", "client_tls_sslmode = require",
     "client_tls_sslmode = prefer\nauth_type = pam", "auth_type = pam"},
    {"clear-clients", "client_tls_sslmode = require", "client_tls_sslmode = allow",
     "client_tls_sslmode = allow"},
    {"clear-servers", "server_tls_sslmode = verify-full", "server_tls_sslmode = prefer",
     "(database \"app\")"},
    {"unverified-servers", "server_tls_sslmode = verify-full", "server_tls_sslmode = require",
     "does not look who answers"},
    {"readable-files", "auth_file = users", "auth_file = open", "auth_file open"},
    {"readable-files", "client_tls_key_file = key", "client_tls_key_file = open",
     "client_tls_key_file open"},
    {"md5-secrets", "auth_file = users", "auth_file = md5", "1 of 1 users"},
    {"plain-secrets", "auth_file = users", "auth_file = plain", "1 of 2 users"},
    {"socket-in-tmp", "unix_socket_dir = /run/weir", "unix_socket_dir = /tmp", "in /tmp"},
    {"no-admin", "admin_users = root", "admin_users =", "admin_users is empty"},
    {"no-stats-user", "stats_users = watch", "stats_users =", "stats_users is empty"},
    {"session-mode", "app = host=10.0.0.1 pool_size=20",
     "app = host=10.0.0.1 pool_size=20 pool_mode=session", "each of up to 900 clients"},
    {"open-files", "max_client_conn = 900", "max_client_conn = 9990\nlisten_backlog = 1024",
     "the limit here is 10000"},
    {"server-connections", "app = host=10.0.0.1 pool_size=20", "app = host=10.0.0.1 pool_size=98",
     "10.0.0.1:5432 may get 98 connections"},
    {"unlimited-pool", "app = host=10.0.0.1 pool_size=20", "app = host=10.0.0.1 pool_size=0",
     "database \"app\" have no limit"},
    {"few-clients", "max_client_conn = 900", "", "client number 101"},
    {"short-backlog", "max_client_conn = 900", "max_client_conn = 2000", "listen_backlog is 128"},
    {"short-backlog", "max_client_conn = 900", "max_client_conn = 900\nlisten_backlog = 5000",
     "cuts listen_backlog (5000) to 4096"},
    {"many-workers", "workers = 2", "workers = 5", "5 workers share 4 cores"},
    {"endless-wait", "tcp_keepidle = 60", "tcp_keepidle = 60\nquery_wait_timeout = 0", "hang"},
    {"idle-transactions", "idle_transaction_timeout = 60", "", "sleeps inside a transaction"},
    {"firewall", "tcp_keepidle = 60", "", "idle for 600 s"},
    {"firewall", "tcp_keepidle = 60", "server_idle_timeout = 0", "idle for ever"},
    {"no-keepalive", "tcp_keepidle = 60", "tcp_keepalive = 0\nserver_idle_timeout = 60",
     "vanished"},
    {"old-servers", "tcp_keepidle = 60", "tcp_keepidle = 60\nserver_lifetime = 0", "an hour"},
    {"float-digits", "ignore_startup_parameters = extra_float_digits", "", "JDBC"},
    {"no-prepared-statements", "tcp_keepidle = 60",
     "tcp_keepidle = 60\nmax_prepared_statements = 0", "database \"app\""},
    {"reset-query", "tcp_keepidle = 60", "tcp_keepidle = 60\nserver_reset_query = DISCARD ALL",
     "not sent for database \"app\""},
    {"log-nowhere", "logfile = weir.log", "", "standard error only"},
    {"shared-port", "tcp_keepidle = 60", "tcp_keepidle = 60\nso_reuseport = 1", "peer_id"},
};

std::vector<Advice> advice_for(const std::string& text) {
    const std::map<std::string, std::string> files = {
        {"weir.ini", text},
        {"users", kScram},
        {"open", kScram},
        {"md5", "\"a\" \"md52dbdd6bf52bb07748170873b636727c8\"\n"},
        {"plain", std::string(kScram) + "\"b\" \"secret\"\n"},
        {"rules",
         "host all all 127.0.0.1/32 trust\nlocal all all trust\n"
         "hostssl all all 10.0.0.0/8 scram-sha-256\nhost all all ::1/128 trust\n"
         "hostssl all all 192.168.0.0/16 trust\n"},
    };
    const LoadResult loaded = load_config_with(
        "weir.ini", nullptr, [&files](const std::string& path) -> Result<std::string> {
            const auto file = files.find(path);
            if (file == files.end()) return fail("58P01", "no file " + path);
            return file->second;
        });
    for (const ConfigError& error : loaded.errors)
        FAIL_CHECK(to_string(error));
    REQUIRE(loaded.config);
    Surroundings around{10000, 4, 4096, [](const std::string& path) -> std::optional<unsigned> {
                            return path == "open" ? 0644U : 0640U;
                        }};
    const std::string path = "weir.ini";
    return advise(Review{path, *loaded.config, loaded.places, around});
}

std::string with(const Change& change) {
    std::string text = kQuiet;
    const size_t at = text.find(std::string(change.was) + "\n");
    REQUIRE(at != std::string::npos);
    return text.replace(at, std::string(change.was).size(), change.is);
}

TEST_CASE("a configuration to which there is nothing to say") {
    for (const Advice& advice : advice_for(kQuiet))
        FAIL_CHECK(advice.id << ": " << advice.text);
}

TEST_CASE("each piece of advice, and no other") {
    for (const Change& change : kChanges) {
        CAPTURE(change.id);
        CAPTURE(change.is);
        const std::vector<Advice> found = advice_for(with(change));
        REQUIRE(found.size() >= 1);
        const auto it = std::find_if(found.begin(), found.end(),
                                     [&](const Advice& advice) { return advice.id == change.id; });
        REQUIRE(it != found.end());
        CHECK(it->text.find(change.says) != std::string::npos);
        CHECK(it->text.find("; ") != std::string::npos);  // a remedy
        // Without the TLS that it asks for, a method that sends passwords has two things wrong.
        const bool is_two = std::string(change.id) == "clear-passwords";
        CHECK(found.size() == (is_two ? 2 : 1));
    }
}

TEST_CASE("advice names the line that it is about") {
    const auto first = [](const std::string& text) { return advice_for(text).at(0); };
    CHECK(first(with(kChanges[0])).at.line == 5);
    const Advice rule = first(with(kChanges[1]));
    CHECK(rule.at.file == "rules");
    CHECK(rule.at.line == 5);
    CHECK(first(with({"few-clients", "max_client_conn = 900", "", ""})).at.line == 0);
}

TEST_CASE("every rule has a case here, and a name of its own") {
    std::set<std::string> ids, covered;
    for (const Change& change : kChanges)
        covered.insert(change.id);
    for (const AdviceRule& rule : advice_rules())
        CHECK(ids.insert(rule.id).second);
    CHECK(ids == covered);
}

TEST_CASE("the README lists every rule") {
    const std::string text = read_file(WEIR_SOURCE_DIR "/admin/README.md").value_or("");
    for (const AdviceRule& rule : advice_rules()) {
        const std::string row = std::string("| `") + rule.id + "` | " + rule.what + " |";
        INFO(row);
        CHECK(text.find(row) != std::string::npos);
    }
}

}  // namespace
}  // namespace weir::advice_test
