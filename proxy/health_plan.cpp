#include "proxy/health_plan.h"

#include <string_view>
#include <utility>

#include "protocol/auth/secret.h"

namespace weir {

namespace {

RoleWish wish_of(BackendRole role) {
    switch (role) {
        case BackendRole::Primary: return RoleWish::Primary;
        case BackendRole::Replica: return RoleWish::Replica;
        case BackendRole::Auto: break;
    }
    return RoleWish::Auto;
}

// In libpq's words.
const char* sslmode_text(SslMode mode) {
    switch (mode) {
        case SslMode::Disable: return "disable";
        case SslMode::Allow: return "allow";
        case SslMode::Prefer: return "prefer";
        case SslMode::Require: return "require";
        case SslMode::VerifyCa: return "verify-ca";
        case SslMode::VerifyFull: return "verify-full";
    }
    return "prefer";  // uncovered: every enumerator is above
}

// The secret of auth_file, when it can be sent as a password; else empty.
std::string_view plain_secret(const Config& config, const std::string& user) {
    const std::string* secret = config.find_secret(user);
    if (secret == nullptr || classify_secret(*secret) != SecretKind::Plain) return {};
    return *secret;
}

ProbeLogin login_as(const Config& config, const std::string& user, std::string_view password,
                    const std::string& dbname) {
    ProbeLogin login;
    login.user = user;
    login.dbname = dbname;
    login.password = SecretString(password);
    login.sslmode = sslmode_text(config.global.server_tls_sslmode);
    login.sslrootcert = config.global.server_tls_ca_file;
    login.sslcert = config.global.server_tls_cert_file;
    login.sslkey = config.global.server_tls_key_file;
    return login;
}

std::optional<ProbeLogin> login_for(const Config& config, const DatabaseConfig& database) {
    const GlobalConfig& global = config.global;
    if (!global.probe_user.empty()) {
        const std::string_view password = global.probe_password.empty()
                                              ? plain_secret(config, global.probe_user)
                                              : std::string_view(global.probe_password);
        return login_as(config, global.probe_user, password, global.probe_dbname);
    }
    if (!database.user) return std::nullopt;
    const std::string_view password = database.password ? std::string_view(*database.password)
                                                        : plain_secret(config, *database.user);
    if (password.empty()) return std::nullopt;
    // Entries that share backends share the first one's log-in, so `*` lends none: its database is
    // not known before somebody asks for it.
    if (database.dbname.empty()) return std::nullopt;
    return login_as(config, *database.user, password, database.dbname);
}

ClusterSpec make_cluster(const Config& config, const DatabaseConfig& database) {
    ClusterSpec cluster;
    cluster.name = database.name;
    cluster.login = login_for(config, database);
    for (const BackendConfig& backend : database.backends) {
        cluster.backends.push_back(
            {.name = backend.name,
             .host = backend.host,
             .port = backend.port,
             .weight = static_cast<double>(backend.weight),
             .role = wish_of(backend.role),
             .zone = backend.zone,
             .max_connections = static_cast<uint32_t>(backend.max_connections),
             .patroni = backend.patroni});
    }
    return cluster;
}

double share(int percent) {
    return percent / 100.0;
}

}  // namespace

HealthOptions make_health_options(const GlobalConfig& global) {
    HealthOptions options;
    options.probe_interval = global.probe_interval;
    options.probe_interval_fast = global.probe_interval_fast;
    options.probe_timeout = global.probe_timeout;
    options.patroni_interval = global.patroni_interval;
    options.patroni_timeout = global.patroni_timeout;
    options.lag_soft = global.lag_soft;
    options.lag_hard = global.lag_hard;
    options.lag_hard_bytes = static_cast<uint64_t>(global.lag_hard_bytes);
    options.slow_start = global.slow_start;
    options.degraded_below = share(global.degraded_below);
    options.up_from = share(global.up_from);
    options.ejection_consecutive = static_cast<uint32_t>(global.ejection_consecutive);
    options.ejection_failure_percent = static_cast<uint32_t>(global.ejection_failure_percent);
    options.ejection_samples_min = static_cast<uint32_t>(global.ejection_samples_min);
    options.ejection_probes = static_cast<uint32_t>(global.ejection_probes);
    options.ejection_time = global.ejection_time;
    options.ejection_time_max = global.ejection_time_max;
    options.max_ejection_percent = static_cast<uint32_t>(global.max_ejection_percent);
    options.panic_threshold_percent = static_cast<uint32_t>(global.panic_threshold_percent);
    options.breaker_dry_run = global.breaker_dry_run;
    return options;
}

HealthPlan make_health_plan(const Config& config) {
    HealthPlan plan;
    plan.options = make_health_options(config.global);
    for (const auto& [name, database] : config.databases) {
        if (is_routed(config, database)) plan.clusters.push_back(make_cluster(config, database));
    }
    if (config.wildcard_database && is_routed(config, *config.wildcard_database)) {
        plan.clusters.push_back(make_cluster(config, *config.wildcard_database));
    }
    return plan;
}

}  // namespace weir
