#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "admin/explain/advice_rules.h"
#include "conf/value.h"

namespace weir {

namespace {

bool is_off(Duration duration) {
    return duration.count() == 0;
}

// The first database whose pools do not keep a server for a whole session; null: all do.
const DatabaseConfig* first_shared(const Review& review) {
    for (const DatabaseConfig* database : review.databases()) {
        const PoolMode mode = effective_pool_mode(review.config, *database, pool_user(*database));
        if (mode != PoolMode::Session) return database;
    }
    return nullptr;
}

bool has_remote_server(const Review& review) {
    for (const DatabaseConfig* database : review.databases()) {
        for (const BackendConfig& backend : database->backends) {
            if (!is_local(backend.host)) return true;
        }
    }
    return false;
}

}  // namespace

void advise_endless_wait(const Review& review, AdviceList& list) {
    if (is_off(review.config.global.query_wait_timeout)) {
        list.tell("pgbouncer", "query_wait_timeout",
                  "query_wait_timeout is 0: when servers are gone or busy, clients hang for good "
                  "and never see an error; set what the application waits for at the most");
    }
}

void advise_idle_transactions(const Review& review, AdviceList& list) {
    const GlobalConfig& global = review.config.global;
    if (first_shared(review) == nullptr) return;
    if (!is_off(global.idle_transaction_timeout) || !is_off(global.transaction_timeout) ||
        !is_off(global.leak_idle_transaction_kill)) {
        return;
    }
    list.tell("pgbouncer", "idle_transaction_timeout",
              "nothing ends a client that sleeps inside a transaction, and each one takes a server "
              "from all others; set idle_transaction_timeout, or leak_idle_transaction_kill");
}

void advise_firewall(const Review& review, AdviceList& list) {
    const GlobalConfig& global = review.config.global;
    constexpr Duration kForgets = std::chrono::seconds(350);  // the shortest of usual clouds
    const bool has_life_signs = global.tcp_keepalive && global.tcp_keepidle_s > 0 &&
                                std::chrono::seconds(global.tcp_keepidle_s) < kForgets;
    if (!has_remote_server(review) || has_life_signs) return;
    const Duration idle = global.server_idle_timeout;
    if (!is_off(idle) && idle < kForgets) return;
    list.tell(
        "pgbouncer", "server_idle_timeout",
        fmt::format("server connections may be idle for {}, and load balancers and firewalls "
                    "forget silent ones after {} s, without telling anybody; set "
                    "tcp_keepidle below that, or server_idle_timeout",
                    is_off(idle) ? "ever" : seconds_text(idle) + " s", seconds_text(kForgets)));
}

void advise_keepalive(const Review& review, AdviceList& list) {
    if (review.config.global.tcp_keepalive) return;
    list.tell("pgbouncer", "tcp_keepalive",
              "tcp_keepalive is 0: a client whose machine has vanished keeps its place, and its "
              "server, for ever; set 1");
}

void advise_server_lifetime(const Review& review, AdviceList& list) {
    if (!is_off(review.config.global.server_lifetime)) return;
    list.tell("pgbouncer", "server_lifetime",
              "server_lifetime is 0, and processes of PostgreSQL grow with what they have cached; "
              "set an hour or so");
}

void advise_float_digits(const Review& review, AdviceList& list) {
    const std::vector<std::string>& ignored = review.config.global.ignore_startup_parameters;
    if (std::find(ignored.begin(), ignored.end(), "extra_float_digits") != ignored.end()) return;
    list.tell("pgbouncer", "ignore_startup_parameters",
              "JDBC and other drivers send extra_float_digits at login and are refused; add it to "
              "ignore_startup_parameters");
}

void advise_prepared_statements(const Review& review, AdviceList& list) {
    const DatabaseConfig* shared = first_shared(review);
    if (review.config.global.max_prepared_statements > 0 || shared == nullptr) return;
    list.tell("pgbouncer", "max_prepared_statements",
              fmt::format("max_prepared_statements is 0: statements that drivers prepare are lost "
                          "when the next transaction of database \"{}\" gets another server; set "
                          "200",
                          shared->name));
}

void advise_reset_query(const Review& review, AdviceList& list) {
    const GlobalConfig& global = review.config.global;
    if (!review.says("pgbouncer", "server_reset_query") || global.server_reset_query.empty())
        return;
    const DatabaseConfig* shared = first_shared(review);
    if (shared == nullptr || global.server_reset_query_always) return;
    list.tell("pgbouncer", "server_reset_query",
              fmt::format("server_reset_query is not sent for database \"{}\", which does not pool "
                          "sessions: what a transaction SETs stays for the next client; use SET "
                          "LOCAL, or server_reset_query_always at the cost of a query each",
                          shared->name));
}

void advise_log(const Review& review, AdviceList& list) {
    const GlobalConfig& global = review.config.global;
    if (!global.logfile.empty() || global.syslog) return;
    list.tell("pgbouncer", "logfile",
              "the log goes to standard error only, which systemd keeps, and -d or -q throws away; "
              "set logfile or syslog unless it runs as a service");
}

void advise_shared_port(const Review& review, AdviceList& list) {
    const GlobalConfig& global = review.config.global;
    if (!global.so_reuseport || global.peer_id > 0) return;
    list.tell("pgbouncer", "so_reuseport",
              "processes that share a port get each other's cancel requests, and drop them; give "
              "each a peer_id, and list them in [peers]");
}

}  // namespace weir
