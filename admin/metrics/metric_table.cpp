#include "admin/metrics/metric_table.h"

#include <iterator>

namespace weir {

namespace {

using M = Metric;
using enum MetricKind;

constexpr MetricSpec kMetrics[] = {
    {M::BuildInfo, "weir_build_info", Gauge, "version", "Which Weir this is; always 1."},
    {M::ConfigHash, "weir_config_hash", Gauge, "",
     "Another number when the files of the configuration, as they were loaded last, say something "
     "else; passwords play no part in it."},
    {M::ConfigReloadSuccess, "weir_config_last_reload_successful", Gauge, "",
     "1 when the last reload, or the start, took what the files say; 0 when it was refused."},
    {M::ConfigReloadTime, "weir_config_last_reload_timestamp_seconds", Gauge, "",
     "When the files were read last."},
    {M::State, "weir_state", Gauge, "state",
     "1 for what holds of paused (PAUSE of everything), suspended and shutting_down, else 0."},
    {M::ProcessCpu, "process_cpu_seconds_total", Counter, "",
     "CPU time of all threads, in user and system mode."},
    {M::ProcessStart, "process_start_time_seconds", Gauge, "", "When the process began to serve."},
    {M::ProcessResident, "process_resident_memory_bytes", Gauge, "", "Memory that is in RAM."},
    {M::ProcessVirtual, "process_virtual_memory_bytes", Gauge, "", "Addresses that are in use."},
    {M::ProcessOpenFds, "process_open_fds", Gauge, "", "Open file descriptors."},
    {M::ProcessMaxFds, "process_max_fds", Gauge, "", "How many there may be."},
    {M::Memory, "weir_memory_bytes", Gauge, "kind",
     "Memory by what it is for: client_slots, buffers (bytes that wait for a socket or for the "
     "rest of their message), statements (texts of prepared statements)."},
    {M::StatementsCached, "weir_statements_cached", Gauge, "",
     "Texts of prepared statements that are kept, each once for each worker that needs it."},

    {M::Clients, "weir_clients", Gauge, "state",
     "Client connections: login (not let in yet), idle, active (have a server), waiting (for "
     "one), throttled (by a rate limit), console, cancel_request."},
    {M::ClientsMax, "weir_clients_max", Gauge, "", "max_client_conn."},
    {M::Connections, "weir_connections_total", Counter, "", "Connections of clients accepted."},
    {M::ClientLogins, "weir_client_login_duration_seconds", Histogram, "",
     "From a client's connection to its welcome."},
    {M::ClientHandshakes, "weir_client_tls_handshake_duration_seconds", Histogram, "",
     "TLS handshakes with clients."},
    {M::ClientHandshakesFailed, "weir_client_tls_handshakes_failed_total", Counter, "",
     "TLS handshakes with clients that went wrong."},
    {M::CancelsReceived, "weir_cancel_requests_received_total", Counter, "",
     "Cancel requests of clients."},
    {M::CancelsSent, "weir_cancel_requests_sent_total", Counter, "",
     "Cancel requests to servers, those of our own clean-up among them."},
    {M::Errors, "weir_errors_total", Counter, "origin,class",
     "Errors by class of SQLSTATE. Origin server: what servers said; pooler: what clients were "
     "told by Weir itself. A class without errors has no series, but for 08, 53 and 57."},
    {M::AuthFailures, "weir_auth_failures_total", Counter, "result",
     "Wrong passwords (failed), those of them whose answer was held back (delayed), and tries "
     "that were refused unheard (refused); counted while auth_failures_max or "
     "auth_failure_delay is set."},

    {M::PoolClients, "weir_pool_clients", Gauge, "database,user,state",
     "Clients that have logged in: idle, active, waiting, throttled."},
    {M::PoolServers, "weir_pool_servers", Gauge, "database,user,state",
     "Server connections: idle, active, tested (cleaned, or checked before use), being_cancelled, "
     "login."},
    {M::PoolPins, "weir_pool_server_pins", Gauge, "database,user,reason",
     "Servers that stay with their client though no query runs: replication, session (session "
     "pooling), failed_transaction, transaction, copy, batch (no Sync yet), half_message."},
    {M::PoolSizeMax, "weir_pool_size_max", Gauge, "database,user",
     "pool_size, summed over the backends of a routed database; left out when it is unlimited."},
    {M::PoolSizeTarget, "weir_pool_size_target", Gauge, "database,user",
     "Server connections that the pool wants, see SHOW POOL_SIZES."},
    {M::PoolOldestWait, "weir_pool_oldest_wait_seconds", Gauge, "database,user",
     "How long the client at the head of the queue has waited for a server; 0 without one."},
    {M::PoolTransactions, "weir_pool_transactions_total", Counter, "database,user",
     "Transactions that have ended."},
    {M::PoolQueries, "weir_pool_queries_total", Counter, "database,user",
     "Queries that have ended: answers with a ReadyForQuery."},
    {M::PoolAssignments, "weir_pool_server_assignments_total", Counter, "database,user",
     "How often a client was given a server."},
    {M::PoolLogins, "weir_pool_client_logins_total", Counter, "database,user",
     "Clients that were let in."},
    {M::PoolReceived, "weir_pool_received_bytes_total", Counter, "database,user",
     "Bytes from clients, since their login."},
    {M::PoolSent, "weir_pool_sent_bytes_total", Counter, "database,user",
     "Bytes to clients, from the welcome on."},
    {M::PoolClientParses, "weir_pool_client_parses_total", Counter, "database,user",
     "Statements that clients prepared, where Weir keeps account of them."},
    {M::PoolServerParses, "weir_pool_server_parses_total", Counter, "database,user",
     "Statements that servers were made to prepare."},
    {M::PoolBinds, "weir_pool_binds_total", Counter, "database,user",
     "Prepared statements that were bound."},
    {M::PoolPreparedHits, "weir_pool_prepared_hits_total", Counter, "database,user",
     "Named statements that were wanted and that the server had."},
    {M::PoolPreparedMisses, "weir_pool_prepared_misses_total", Counter, "database,user",
     "Named statements that were wanted and had to be prepared on the server first."},
    {M::PoolWait, "weir_pool_wait_duration_seconds", Histogram, "database,user",
     "From asking for a server to having it, also of those who had it at once."},
    {M::PoolQuery, "weir_pool_query_duration_seconds", Histogram, "database,user",
     "Queries, from the assignment of the server or the last ReadyForQuery to the next."},
    {M::PoolTransaction, "weir_pool_transaction_duration_seconds", Histogram, "database,user",
     "Transactions, from the assignment of the server to their end."},
    {M::PoolHold, "weir_pool_server_hold_duration_seconds", Histogram, "database,user",
     "How long a server was with one client."},
    {M::PoolsUnlisted, "weir_pools_unlisted", Gauge, "",
     "How many (database, user) are summed under _other, since there are more than "
     "metrics_pools_max."},

    {M::ServersOpened, "weir_servers_opened_total", Counter, "",
     "Server connections that have logged in."},
    {M::ServersClosed, "weir_servers_closed_total", Counter, "reason",
     "Server connections closed after their login: unused, lifetime, replaced (RELOAD, RECONNECT, "
     "DNS, a promotion), evicted (a shared limit was needed elsewhere), paused, client (went in "
     "the middle), server (ended it), cleanup (not fit for reuse), shutdown, _other."},
    {M::ServerLoginsFailed, "weir_server_logins_failed_total", Counter, "",
     "Server connections that did not come about."},
    {M::ServerLogins, "weir_server_login_duration_seconds", Histogram, "",
     "From the order to connect to the end of the login."},
    {M::ServerHandshakes, "weir_server_tls_handshake_duration_seconds", Histogram, "",
     "TLS handshakes with servers."},

    {M::BackendInfo, "weir_backend_info", Gauge, "backend,address,databases,zone,role",
     "A server of routed databases and what it is: primary, replica, unknown; always 1."},
    {M::BackendState, "weir_backend_state", Gauge, "backend,state",
     "1 for the state it is in (up, degraded, ejected, half_open, lagging, draining, down), 0 for "
     "the others."},
    {M::BackendHealth, "weir_backend_health_ratio", Gauge, "backend", "Its health, from 0 to 1."},
    {M::BackendFactor, "weir_backend_health_factor_ratio", Gauge, "backend,factor",
     "What its health is the product of, 1 being best: error, latency, lag, warm (slow start)."},
    {M::BackendWeight, "weir_backend_weight", Gauge, "backend", "Its weight in force."},
    {M::BackendPanic, "weir_backend_panic", Gauge, "backend",
     "1 while too few of its role are healthy, so that its failures are ignored."},
    {M::BackendInUse, "weir_backend_connections_in_use", Gauge, "backend",
     "Server connections to it that are with a client."},
    {M::BackendWaiting, "weir_backend_clients_waiting", Gauge, "backend",
     "Clients that wait for a connection to it."},
    {M::BackendLag, "weir_backend_replication_lag_seconds", Gauge, "backend",
     "How far a replica is behind; left out when it is not known."},
    {M::BackendLagBytes, "weir_backend_replication_lag_bytes", Gauge, "backend",
     "The same in bytes of WAL."},
    {M::BackendBreakerOpen, "weir_backend_breaker_open", Gauge, "backend,breaker",
     "1 while the breaker is open, 0.5 half open, 0 closed: query (the ejection), connect."},
    {M::BackendBreakerTrips, "weir_backend_breaker_trips_total", Counter, "backend,breaker",
     "How often it opened."},
    {M::BackendEjections, "weir_backend_ejections_total", Counter, "backend",
     "How often it was taken out."},
    {M::BackendEjectionsWithheld, "weir_backend_ejections_withheld_total", Counter, "backend",
     "How often it was not, since too few would have been left."},
    {M::BackendProbes, "weir_backend_probe_duration_seconds", Histogram, "backend",
     "Round trips of probes that were answered."},
    {M::BackendProbesFailed, "weir_backend_probes_failed_total", Counter, "backend",
     "Probes that were not."},

    {M::RateAllowed, "weir_rate_limit_allowed_total", Counter, "rule",
     "What a rate limit let through, delayed or not."},
    {M::RateDelayed, "weir_rate_limit_delayed_total", Counter, "rule", "What it held back first."},
    {M::RateRejected, "weir_rate_limit_rejected_total", Counter, "rule", "What it refused."},
    {M::RateLogged, "weir_rate_limit_logged_total", Counter, "rule",
     "What it let through beyond the limit (action = log)."},
    {M::LeaksFound, "weir_leaks_found_total", Counter, "kind",
     "Leaks found, by their code in SHOW LEAK_TOTALS."},
    {M::LeaksOpen, "weir_leaks_open", Gauge, "kind", "Leaks that go on."},
    {M::LeaksEnded, "weir_leaks_ended_total", Counter, "kind", "Leaks that were ended by Weir."},
    {M::DnsHosts, "weir_dns_hosts", Gauge, "state",
     "Host names that were looked up: resolved, failed, pending."},
    {M::DnsZones, "weir_dns_zones", Gauge, "", "Zones that are watched."},

    {M::WorkerCpu, "weir_worker_cpu_seconds_total", Counter, "worker",
     "CPU time of a worker's thread; it sleeps for the rest. A rate of 1 is a busy core. Folded, "
     "the first drives all workers (fold_workers)."},
    {M::WorkerLag, "weir_worker_loop_lag_seconds", Gauge, "worker",
     "How long the question of this scrape had to wait for the worker."},
    {M::WorkerConnections, "weir_worker_connections_total", Counter, "worker",
     "Connections of clients that were dealt to it."},
    {M::WorkerServers, "weir_worker_servers", Gauge, "worker",
     "Server connections that it opens, lends or closes."},
};
static_assert(std::size(kMetrics) == static_cast<size_t>(Metric::kCount));

constexpr bool is_in_order() {
    for (size_t i = 0; i < std::size(kMetrics); ++i) {
        if (static_cast<size_t>(kMetrics[i].metric) != i) return false;
    }
    return true;
}
static_assert(is_in_order());

}  // namespace

std::string_view to_text(MetricKind kind) {
    constexpr std::string_view kTexts[] = {"counter", "gauge", "histogram"};
    return kTexts[static_cast<size_t>(kind)];
}

std::span<const MetricSpec> metric_table() {
    return kMetrics;
}

const MetricSpec& spec_of(Metric metric) {
    return kMetrics[static_cast<size_t>(metric)];
}

std::string metric_list() {
    std::string out;
    for (const MetricSpec& spec : kMetrics) {
        out += std::string(spec.name) + " " + std::string(to_text(spec.kind));
        if (!spec.labels.empty()) out += " " + std::string(spec.labels);
        out += "\n";
    }
    return out;
}

std::string metric_reference() {
    std::string out =
        "# Metrics\n\n"
        "What `metrics_listen` serves at `/metrics`, in Prometheus' text format. Made from the\n"
        "table in admin/metrics/metric_table.cpp; a test compares the two.\n\n"
        "Counts begin with the process. Bounds of histograms are powers of two of a second, from\n"
        "2^-16 (15 us) to 2^6 (64 s). A pool is what SHOW POOLS shows: one (database, user), over\n"
        "all backends; it has series once it has been used, and `metrics_pools_max` of them have "
        "their\n"
        "own, the others are summed under `_other`. Backends are those of routed databases.\n\n"
        "| metric | kind | labels | |\n|---|---|---|---|\n";
    for (const MetricSpec& spec : kMetrics) {
        out += "| `" + std::string(spec.name) + "` | " + std::string(to_text(spec.kind)) + " | " +
               std::string(spec.labels) + " | " + std::string(spec.help) + " |\n";
    }
    return out;
}

}  // namespace weir
