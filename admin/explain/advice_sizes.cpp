#include <spdlog/fmt/fmt.h>

#include "admin/explain/advice_rules.h"
#include "admin/explain/worst_case.h"
#include "proxy/start/open_files.h"

namespace weir {

void advise_session_mode(const Review& review, AdviceList& list) {
    const Config& config = review.config;
    for (const DatabaseConfig* database : review.databases()) {
        const std::string user = pool_user(*database);
        if (effective_pool_mode(config, *database, user) != PoolMode::Session) continue;
        const int size = effective_pool_size(config, *database, user);
        const int limit = effective_max_db_client_connections(config, *database);
        const int clients = limit > 0 ? limit : config.global.max_client_conn;
        if (size == 0 || clients <= size) continue;
        list.tell("databases", database->name,
                  fmt::format("database \"{}\" pools sessions: each of up to {} clients keeps a "
                              "server until it leaves, and a pool has {}, so the next ones wait; "
                              "use pool_mode=transaction if the application can, or a pool_size "
                              "for all of them",
                              database->name, clients, size));
    }
}

void advise_open_files(const Review& review, AdviceList& list) {
    const long limit = review.around.open_files;
    const long need = expected_open_files(review.config);
    if (limit == 0 || need <= limit) return;
    list.tell("pgbouncer", "max_client_conn",
              fmt::format("up to {} connections and files may be open (max_client_conn is {}), and "
                          "the limit here is {}; raise it (LimitNOFILE= of systemd, ulimit -n), or "
                          "lower max_client_conn",
                          need, review.config.global.max_client_conn, limit));
}

void advise_server_connections(const Review& review, AdviceList& list) {
    for (const BackendLoad& load : worst_case(review.config)) {
        if (load.limit > 0 || load.connections <= kUsualConnections) continue;
        const std::string& first = load.databases.front();
        list.tell("databases", first,
                  fmt::format("{} may get {}{} connections, more than the {} that PostgreSQL's "
                              "default of max_connections leaves; compare, and set pool_size, "
                              "max_db_connections or, of a backend, max_connections",
                              load.endpoint, load.connections, load.is_open_ended ? " or more" : "",
                              kUsualConnections));
    }
}

void advise_unlimited_pool(const Review& review, AdviceList& list) {
    for (const DatabaseConfig* database : review.databases()) {
        if (worst_case_of(review.config, *database) != kUnlimited) continue;
        list.tell("databases", database->name,
                  fmt::format("pools of database \"{}\" have no limit (size 0, no "
                              "max_db_connections), so a slow query becomes a storm of "
                              "connections; set one of the two",
                              database->name));
    }
}

void advise_few_clients(const Review& review, AdviceList& list) {
    if (review.says("pgbouncer", "max_client_conn")) return;
    list.tell("pgbouncer", "max_client_conn",
              fmt::format("max_client_conn is not set: client number {} is refused; set it to what "
                          "all application servers together may open",
                          review.config.global.max_client_conn + 1));
}

void advise_backlog(const Review& review, AdviceList& list) {
    const GlobalConfig& global = review.config.global;
    constexpr int kManyClients = 1000;
    if (global.max_client_conn >= kManyClients && global.listen_backlog < kManyClients / 4) {
        list.tell("pgbouncer", "listen_backlog",
                  fmt::format("listen_backlog is {}: when {} clients come back at once, the kernel "
                              "lets some wait for seconds; set 1024 or more",
                              global.listen_backlog, global.max_client_conn));
    }
    const int most = review.around.backlog_most;
    if (most == 0 || global.listen_backlog <= most) return;
    list.tell("pgbouncer", "listen_backlog",
              fmt::format("the kernel cuts listen_backlog ({}) to {}; raise net.core.somaxconn",
                          global.listen_backlog, most));
}

void advise_workers(const Review& review, AdviceList& list) {
    const int workers = review.config.global.workers;
    if (review.around.cores == 0 || workers <= review.around.cores) return;
    list.tell("weir", "workers",
              fmt::format("{} workers share {} cores, which makes them slower; set 0, one for each "
                          "core",
                          workers, review.around.cores));
}

}  // namespace weir
