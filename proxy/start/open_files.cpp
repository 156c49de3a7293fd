#include "proxy/start/open_files.h"

#include <sys/resource.h>

#include <algorithm>

#include "conf/logging.h"

namespace weir {

namespace {

constexpr long kOwn = 40;  // log, listening sockets, and epoll sets and wake-ups of some workers

long capped(rlim_t limit) {
    constexpr rlim_t kMost = 1'000'000'000;
    return static_cast<long>(std::min(limit, kMost));
}

}  // namespace

long expected_open_files(const Config& config) {
    long out = kOwn + config.global.max_client_conn;
    const long users = std::max<long>(1, static_cast<long>(config.secrets.size()));
    for (const auto& [name, database] : config.databases) {
        const std::string user = database.user.value_or("");
        const long pool = effective_pool_size(config, database, user) +
                          effective_reserve_pool_size(config, database, user);
        long most = pool * (database.user ? 1 : users);
        const long limit = effective_max_db_connections(config, database);
        if (limit > 0) most = std::min(most, limit);
        out += most;
    }
    return out;
}

void raise_open_files(const Config& config) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    log::info(
        "kernel file descriptor limit: {} (hard: {}); max_client_conn: {}, max expected fd use: {}",
        capped(limit.rlim_cur), capped(limit.rlim_max), config.global.max_client_conn,
        expected_open_files(config));
    if (config.global.max_client_conn + kOwn > capped(limit.rlim_cur)) {
        log::warning(
            "max_client_conn is more than the file descriptor limit allows; raise the "
            "limit (LimitNOFILE= of systemd, ulimit -n) or lower max_client_conn");
    }
}

}  // namespace weir
