#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "admin/explain/advice_rules.h"
#include "conf/auth_rules.h"
#include "conf/words.h"

namespace weir {

namespace {

bool needs_tls(SslMode mode) {
    return mode != SslMode::Disable && mode != SslMode::Allow && mode != SslMode::Prefer;
}

bool is_rule_of_network(const HbaRule& rule) {
    if (rule.connection == HbaConnection::Local || rule.where == HbaAddress::SameHost) return false;
    return rule.where != HbaAddress::Network || !is_local(rule.network.text());
}

// The first database of [databases] with a server on another machine; null when there is none.
const DatabaseConfig* first_remote(const Review& review) {
    for (const DatabaseConfig* database : review.databases()) {
        if (std::any_of(database->backends.begin(), database->backends.end(),
                        [](const BackendConfig& backend) { return !is_local(backend.host); })) {
            return database;
        }
    }
    return nullptr;
}

}  // namespace

void advise_trust(const Review& review, AdviceList& list) {
    const GlobalConfig& global = review.config.global;
    if (!is_on_network(global)) return;
    if (global.auth_type == AuthType::Trust || global.auth_type == AuthType::Any) {
        list.tell("pgbouncer", "auth_type",
                  fmt::format("auth_type = {} lets in whoever reaches {}:{}, as any user; use "
                              "scram-sha-256, or listen on 127.0.0.1 only",
                              word_text(static_cast<int>(global.auth_type), kAuthTypeWords),
                              global.listen_addr, global.listen_port));
    }
    if (review.config.auth_rules == nullptr) return;
    for (const HbaRule& rule : review.config.auth_rules->hba.rules) {
        if (rule.method != AuthMethod::Trust || !is_rule_of_network(rule)) continue;
        list.tell(rule.at, "the rule trusts other machines; name a method that asks for a proof");
    }
}

void advise_clear_passwords(const Review& review, AdviceList& list) {
    const GlobalConfig& global = review.config.global;
    if (!is_on_network(global) || needs_tls(global.client_tls_sslmode)) return;
    const AuthType type = global.auth_type;
    if (type != AuthType::Plain && type != AuthType::Pam && type != AuthType::Ldap) return;
    list.tell("pgbouncer", "auth_type",
              fmt::format("with auth_type = {} passwords cross the network as they are, as TLS is "
                          "not required; set client_tls_sslmode = require",
                          word_text(static_cast<int>(type), kAuthTypeWords)));
}

void advise_clear_clients(const Review& review, AdviceList& list) {
    const GlobalConfig& global = review.config.global;
    if (!is_on_network(global) || needs_tls(global.client_tls_sslmode)) return;
    list.tell("pgbouncer", "client_tls_sslmode",
              fmt::format("clients of other machines may do without TLS (client_tls_sslmode = {}), "
                          "so queries and rows can be read on the way; set require, once all use "
                          "it",
                          word_text(static_cast<int>(global.client_tls_sslmode), kSslModeWords)));
}

void advise_clear_servers(const Review& review, AdviceList& list) {
    const GlobalConfig& global = review.config.global;
    const DatabaseConfig* remote = first_remote(review);
    if (remote == nullptr || needs_tls(global.server_tls_sslmode)) return;
    list.tell("pgbouncer", "server_tls_sslmode",
              fmt::format("server_tls_sslmode = {} accepts a connection without TLS to servers on "
                          "other machines (database \"{}\"); set require or verify-full",
                          word_text(static_cast<int>(global.server_tls_sslmode), kSslModeWords),
                          remote->name));
}

void advise_unverified_servers(const Review& review, AdviceList& list) {
    if (review.config.global.server_tls_sslmode != SslMode::Require) return;
    const DatabaseConfig* remote = first_remote(review);
    if (remote == nullptr) return;
    list.tell("pgbouncer", "server_tls_sslmode",
              "server_tls_sslmode = require does not look who answers, so somebody in between can; "
              "set verify-full and server_tls_ca_file");
}

void advise_readable_files(const Review& review, AdviceList& list) {
    const GlobalConfig& global = review.config.global;
    constexpr unsigned kOthers = 0007;
    const auto look = [&](const char* option, const std::string& file) {
        if (file.empty() || !review.around.mode_of) return;
        const std::optional<unsigned> mode = review.around.mode_of(file);
        if (!mode || (*mode & kOthers) == 0) return;
        list.tell(
            "pgbouncer", option,
            fmt::format("{} {} is open to everybody on this machine (mode {:04o}); chmod o= it",
                        option, file, *mode));
    };
    look("auth_file", global.auth_file);
    look("client_tls_key_file", global.client_tls_key_file);
    look("server_tls_key_file", global.server_tls_key_file);
    const std::vector<const DatabaseConfig*> databases = review.databases();
    const bool has_password =
        !global.auth_ldap_options.empty() || !global.probe_password.empty() ||
        std::any_of(databases.begin(), databases.end(),
                    [](const DatabaseConfig* database) { return database->password.has_value(); });
    if (has_password) look("conffile", review.path);
}

void advise_md5(const Review& review, AdviceList& list) {
    const auto& secrets = review.config.secrets;
    const auto md5 = std::count_if(secrets.begin(), secrets.end(), [](const auto& user) {
        return user.second.starts_with("md5") && user.second.size() == 35;
    });
    if (md5 == 0) return;
    list.tell("pgbouncer", "auth_file",
              fmt::format("{} of {} users have md5 secrets, with which whoever reads them logs in, "
                          "and which PostgreSQL 18 deprecates; let them set their password again, "
                          "with password_encryption = scram-sha-256",
                          md5, secrets.size()));
}

void advise_plain_secrets(const Review& review, AdviceList& list) {
    const auto& secrets = review.config.secrets;
    const auto plain = std::count_if(secrets.begin(), secrets.end(), [](const auto& user) {
        const bool is_md5 = user.second.starts_with("md5") && user.second.size() == 35;
        return !is_md5 && !user.second.starts_with("SCRAM-SHA-256$");
    });
    if (plain == 0) return;
    list.tell("pgbouncer", "auth_file",
              fmt::format("{} of {} users have their password as it is in auth_file; copy what "
                          "PostgreSQL has in pg_authid.rolpassword, or use auth_query",
                          plain, secrets.size()));
}

void advise_socket_place(const Review& review, AdviceList& list) {
    if (review.config.global.unix_socket_dir != "/tmp") return;
    list.tell("pgbouncer", "unix_socket_dir",
              "in /tmp any user of this machine can make the socket before we do, and be sent "
              "passwords; use a folder of our own, such as /run/weir");
}

void advise_admin_users(const Review& review, AdviceList& list) {
    if (!review.config.global.admin_users.empty()) return;
    list.tell("pgbouncer", "admin_users",
              "admin_users is empty, so that PAUSE, RELOAD and KILL are only for the system user "
              "that Weir runs as, on the Unix socket; name somebody");
}

void advise_stats_users(const Review& review, AdviceList& list) {
    if (!review.config.global.stats_users.empty()) return;
    list.tell("pgbouncer", "stats_users",
              "stats_users is empty, so that monitoring would have to log in as an administrator; "
              "name a user who may only look");
}

}  // namespace weir
