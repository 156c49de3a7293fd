#include "conf/cross_check.h"

#include <spdlog/fmt/fmt.h>

#include <set>

#include "conf/auth_rules.h"
#include "conf/metrics_address.h"
#include "conf/value.h"

namespace weir {

namespace {

class Checker {
  public:
    Checker(const Config& config, const PlaceOf& place_of) : c_(config), place_of_(place_of) {}

    std::vector<ConfigNote> run() {
        check_pool_sizes();
        check_listening();
        check_metrics();
        check_authentication();
        check_auth_rules();
        check_timeouts();
        for (const auto& [name, db] : c_.databases) {
            check_database(db);
        }
        if (c_.wildcard_database) check_database(*c_.wildcard_database);
        check_unused_backends();
        check_patroni();
        return std::move(warnings_);
    }

  private:
    void warn(const char* section, const std::string& name, std::string text) {
        const IniPlace at = place_of_(section, name);
        warnings_.push_back({at.file, at.line, std::move(text)});
    }

    void check_pool_sizes() {
        const GlobalConfig& g = c_.global;
        if (g.default_pool_size > 0 && g.min_pool_size > g.default_pool_size) {
            warn(
                "pgbouncer", "min_pool_size",
                fmt::format("min_pool_size ({}) is above default_pool_size ({}), which wins; lower "
                            "one or raise the other",
                            g.min_pool_size, g.default_pool_size));
        }
        if (g.reserve_pool_size > 0 && g.reserve_pool_timeout.count() == 0) {
            warn("pgbouncer", "reserve_pool_size",
                 "reserve_pool_size is never used because reserve_pool_timeout is 0; give a time");
        }
        if (g.max_client_conn == 0) {
            warn("pgbouncer", "max_client_conn",
                 "max_client_conn is 0, so no client is let in; 0 does not mean unlimited here");
        }
    }

    void check_listening() {
        if (!c_.global.listen_addr.empty() || !c_.global.unix_socket_dir.empty()) return;
        warn("pgbouncer", "listen_addr",
             "there is nothing to listen on; set listen_addr or unix_socket_dir");
    }

    void check_metrics() {
        const GlobalConfig& g = c_.global;
        const Result<std::optional<MetricsAddress>> address =
            parse_metrics_address(g.metrics_listen);
        if (!address || !*address || (*address)->is_loopback()) return;
        if (!g.metrics_token.empty() || !g.metrics_token_file.empty()) return;
        warn("weir", "metrics_listen",
             "metrics_listen can be reached from elsewhere and everybody may look; set "
             "metrics_token or metrics_token_file");
    }

    void check_authentication() {
        if (c_.databases.empty() && !c_.wildcard_database) {
            warn("databases", "", "no database is configured; add one to [databases], or `*`");
        }
        if (c_.global.auth_type == AuthType::Ldap && c_.global.auth_ldap_options.empty()) {
            warn("pgbouncer", "auth_type",
                 "no client can log in because auth_ldap_options is not set; set it");
        }
        if (are_users_known_elsewhere() || !c_.secrets.empty()) return;
        if (c_.global.auth_file.empty()) {
            warn("pgbouncer", "auth_file",
                 "no client can log in because auth_file is not set; set it");
        } else {
            warn("pgbouncer", "auth_file",
                 fmt::format("no client can log in because auth_file \"{}\" holds no user; add one",
                             c_.global.auth_file));
        }
    }

    void check_auth_rules() {
        if (c_.auth_rules == nullptr || c_.global.client_tls_sslmode != SslMode::Disable) return;
        for (const HbaRule& rule : c_.auth_rules->hba.rules) {
            const bool needs_tls =
                rule.connection == HbaConnection::HostSsl || rule.method == AuthMethod::Cert;
            if (!needs_tls || rule.method == AuthMethod::Reject) continue;
            warnings_.push_back({rule.at.file, rule.at.line,
                                 "the rule lets nobody in, as client_tls_sslmode is disable; set "
                                 "it, or remove the rule"});
        }
    }

    [[nodiscard]] bool are_users_known_elsewhere() const {
        const AuthType type = c_.global.auth_type;
        if (!c_.global.auth_user.empty()) return true;
        for (const auto& [name, db] : c_.databases) {
            if (db.auth_user) return true;
        }
        return type == AuthType::Any || type == AuthType::Pam || type == AuthType::Ldap;
    }

    void check_timeouts() {
        const GlobalConfig& g = c_.global;
        const int64_t query = g.query_timeout.count();
        const int64_t transaction = g.transaction_timeout.count();
        if (query > 0 && transaction > 0 && query > transaction) {
            warn("pgbouncer", "query_timeout",
                 fmt::format("query_timeout ({} s) is above transaction_timeout ({} s), which ends "
                             "queries first; lower one or raise the other",
                             query / 1'000'000, transaction / 1'000'000));
        }
    }

    void check_database(const DatabaseConfig& db) {
        const int size = db.pool_size >= 0 ? db.pool_size : c_.global.default_pool_size;
        if (db.min_pool_size > size && size > 0) {
            warn("databases", db.name,
                 fmt::format(
                     "database \"{}\": min_pool_size ({}) is above the pool size ({}), which "
                     "wins; lower one or raise the other",
                     db.name, db.min_pool_size, size));
        }
        if (c_.global.auth_type == AuthType::Any && !db.user) {
            warn("databases", db.name,
                 fmt::format("database \"{}\": auth_type any needs the user for the server; add "
                             "user=",
                             db.name));
        }
        if (db.password && !db.user) {
            warn("databases", db.name,
                 fmt::format("database \"{}\": has a password but no user; add user=, or "
                             "remove the password",
                             db.name));
        }
    }

    void check_unused_backends() {
        std::set<std::string> used;
        const auto use = [&used](const DatabaseConfig& db) {
            for (const BackendConfig& backend : db.backends) {
                used.insert(backend.name);
            }
        };
        for (const auto& [name, db] : c_.databases) {
            use(db);
        }
        if (c_.wildcard_database) use(*c_.wildcard_database);
        for (const auto& [name, backend] : c_.backends) {
            if (used.count(name) > 0) continue;
            warn("backends", name,
                 fmt::format("backend \"{}\" is used by no database; name it in backends= of one, "
                             "or remove it",
                             name));
        }
    }

    void check_patroni() {
        const GlobalConfig& g = c_.global;
        if (g.patroni_interval < g.probe_interval) return;
        for (const auto& [name, backend] : c_.backends) {
            if (backend.patroni.empty()) continue;
            warn("weir", "patroni_interval",
                 fmt::format("patroni_interval ({} s) is not below probe_interval ({} s), so that "
                             "no Patroni tells anything sooner than a probe; lower it",
                             seconds_text(g.patroni_interval), seconds_text(g.probe_interval)));
            return;
        }
    }

    const Config& c_;
    const PlaceOf& place_of_;
    std::vector<ConfigNote> warnings_;
};

}  // namespace

std::vector<ConfigNote> cross_check(const Config& config, const PlaceOf& place_of) {
    return Checker(config, place_of).run();
}

}  // namespace weir
