// Goal: the configuration's backends, numbers and log-ins reach the health room, of routed
// databases only; the defaults of both rooms agree and eject a frozen server in time. Method:
// hand-made Configs.
#include "proxy/health_plan.h"

#include <doctest/doctest.h>

#include <string>

namespace weir::health_plan_test {

namespace {

BackendConfig backend(const std::string& host, BackendRole role = BackendRole::Auto) {
    BackendConfig made;
    made.name = host + ":5432";
    made.host = host;
    made.role = role;
    return made;
}

DatabaseConfig database(const std::string& name, std::vector<BackendConfig> backends,
                        bool has_named_backends = true) {
    DatabaseConfig made;
    made.name = name;
    made.dbname = name;
    made.backends = std::move(backends);
    made.has_named_backends = has_named_backends;
    return made;
}

Config config_of(std::vector<DatabaseConfig> databases) {
    Config config;
    for (DatabaseConfig& made : databases)
        config.databases[made.name] = std::move(made);
    return config;
}

std::vector<std::string> names(const HealthPlan& plan) {
    std::vector<std::string> out;
    for (const ClusterSpec& cluster : plan.clusters)
        out.push_back(cluster.name);
    return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("health plan: a list of hosts alone stays PgBouncer's") {
    Config config = config_of({database("one", {backend("a")}, false),
                               database("many", {backend("a"), backend("b")}, false),
                               database("named", {backend("a"), backend("b")})});
    CHECK(names(make_health_plan(config)) == Names{"named"});

    SUBCASE("until the entry says how to choose") {
        config.databases["many"].load_balance = LoadBalance::Random;
        config.databases["one"].load_balance = LoadBalance::Random;
        CHECK(names(make_health_plan(config)) == Names{"many", "named"});
        config.databases["many"].load_balance.reset();
        config.databases["many"].target_session_attrs = TargetSessionAttrs::Any;
        CHECK(names(make_health_plan(config)) == Names{"many", "named"});
    }
    SUBCASE("or all entries do") {
        config.global.target_session_attrs = TargetSessionAttrs::Primary;
        CHECK(names(make_health_plan(config)) == Names{"many", "named"});
        config.global.target_session_attrs = TargetSessionAttrs::Any;
        config.global.load_balance = LoadBalance::PeakEwma;
        CHECK(names(make_health_plan(config)) == Names{"many", "named"});
    }
}

TEST_CASE("health plan: what is said of a backend") {
    Config config = config_of({database("app", {backend("a", BackendRole::Primary)})});
    BackendConfig replica = backend("b", BackendRole::Replica);
    replica.port = 6000;
    replica.weight = 25;
    replica.zone = "z";
    replica.max_connections = 7;
    replica.patroni = "http://b:8008";
    config.wildcard_database = database("*", {replica});
    const HealthPlan plan = make_health_plan(config);
    REQUIRE(names(plan) == Names{"app", "*"});
    CHECK(plan.clusters[0].backends ==
          std::vector<BackendSpec>{{"a:5432", "a", 5432, 100, RoleWish::Primary, "", 0, ""}});
    CHECK(plan.clusters[1].backends ==
          std::vector<BackendSpec>{
              {"b:5432", "b", 6000, 25, RoleWish::Replica, "z", 7, "http://b:8008"}});
}

TEST_CASE("health plan: the log-in of probes") {
    Config config = config_of({database("app", {backend("a"), backend("b")})});
    DatabaseConfig& app = config.databases["app"];
    const auto login = [&config] { return make_health_plan(config).clusters.at(0).login; };
    CHECK_FALSE(login());

    SUBCASE("of probe_user") {
        config.global.probe_user = "probe";
        config.global.probe_dbname = "admin";
        config.global.server_tls_sslmode = SslMode::VerifyCa;
        config.global.server_tls_ca_file = "/ca";
        config.global.server_tls_cert_file = "/cert";
        config.global.server_tls_key_file = "/key";
        REQUIRE(login());
        CHECK(*login() == ProbeLogin{.user = "probe",
                                     .dbname = "admin",
                                     .password = SecretString(),
                                     .sslmode = "verify-ca",
                                     .sslrootcert = "/ca",
                                     .sslcert = "/cert",
                                     .sslkey = "/key"});
        config.secrets["probe"] = "from the file";
        CHECK(login()->password.view() == "from the file");
        config.secrets["probe"] = "md5" + std::string(32, '0');
        CHECK(login()->password.empty());
        config.global.probe_password = "said";
        CHECK(login()->password.view() == "said");
    }
    SUBCASE("of the forced user, if its secret is at hand") {
        app.user = "owner";
        CHECK_FALSE(login());
        config.secrets["owner"] = "md5" + std::string(32, '0');
        CHECK_FALSE(login());
        config.secrets["owner"] = "plain";
        REQUIRE(login());
        CHECK(*login() == ProbeLogin{.user = "owner",
                                     .dbname = "app",
                                     .password = SecretString("plain"),
                                     .sslmode = "prefer",
                                     .sslrootcert = "",
                                     .sslcert = "",
                                     .sslkey = ""});
        app.password = "of the entry";
        CHECK(login()->password.view() == "of the entry");
        app.dbname.clear();  // as of `*`
        CHECK_FALSE(login());
    }
}

TEST_CASE("health plan: the defaults of both rooms are the same") {
    const HealthOptions made = make_health_options(GlobalConfig());
    const HealthOptions own;
    CHECK(made.probe_interval == own.probe_interval);
    CHECK(made.probe_interval_fast == own.probe_interval_fast);
    CHECK(made.probe_timeout == own.probe_timeout);
    CHECK(made.patroni_interval == own.patroni_interval);
    CHECK(made.patroni_timeout == own.patroni_timeout);
    CHECK(made.lag_soft == own.lag_soft);
    CHECK(made.lag_hard == own.lag_hard);
    CHECK(made.lag_hard_bytes == own.lag_hard_bytes);
    CHECK(made.slow_start == own.slow_start);
    CHECK(made.degraded_below == own.degraded_below);
    CHECK(made.up_from == own.up_from);
    CHECK(made.ejection_consecutive == own.ejection_consecutive);
    CHECK(made.ejection_failure_percent == own.ejection_failure_percent);
    CHECK(made.ejection_samples_min == own.ejection_samples_min);
    CHECK(made.ejection_probes == own.ejection_probes);
    CHECK(made.ejection_time == own.ejection_time);
    CHECK(made.ejection_time_max == own.ejection_time_max);
    CHECK(made.max_ejection_percent == own.max_ejection_percent);
    CHECK(made.panic_threshold_percent == own.panic_threshold_percent);
}

TEST_CASE("health plan: a frozen server is out in less than four seconds") {
    const HealthOptions options;
    const Duration latest = options.probe_interval / 100 * (100 + options.probe_jitter_percent);
    const Duration breath = std::chrono::milliseconds(20);
    const auto probes = static_cast<int64_t>(options.ejection_probes);
    CHECK(latest + options.probe_timeout * probes + breath * (probes - 1) <
          std::chrono::milliseconds(3500));
    // And one lost probe does not cost the primary its role.
    CHECK(latest + options.probe_timeout + breath + std::chrono::milliseconds(100) <
          2 * options.probe_interval);
}

}  // namespace weir::health_plan_test
