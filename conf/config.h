// What the operator asked for, resolved and immutable. One Config is built by the loader from the
// files, then shared as std::shared_ptr<const Config>; a RELOAD builds another and swaps it whole.
// Options keep PgBouncer's names. Times are Durations (0 = off unless said otherwise); sizes -1 =
// inherit. Thread: immutable after loading.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "conf/backend_config.h"
#include "conf/rate_limit_config.h"
#include "protocol/base/clock.h"

namespace weir {

enum class PoolMode : uint8_t { Session, Transaction, Statement };
enum class AuthType : uint8_t { Any, Trust, Plain, Md5, ScramSha256, Cert, Hba, Ldap, Pam };
enum class LoadBalanceHosts : uint8_t { RoundRobin, Disable };
enum class SizingMode : uint8_t { Fixed, Demand, Adaptive };
// What becomes of a session whose transaction has waited for a server for too long.
enum class QueueError : uint8_t { Close, Keep };
enum class ServerProtocol : uint8_t { V30, V32 };
// What becomes of clients that are idle while the process waits for them to leave.
enum class ShutdownDrain : uint8_t { None, Transaction };
// What becomes of a session that names a prepared statement which is not there, or one too many.
enum class StatementError : uint8_t { Close, Keep };
enum class LogFormat : uint8_t { Pgbouncer, Json };
// How TLS to a server begins: after a request for it, or at once; libpq's sslnegotiation.
enum class TlsNegotiation : uint8_t { Postgres, Direct };
enum class SslMode : uint8_t { Disable, Allow, Prefer, Require, VerifyCa, VerifyFull };

const char* to_string(PoolMode mode);
const char* to_string(LoadBalanceHosts mode);
const char* to_string(SizingMode mode);

constexpr int kInherit = -1;

// One entry of [databases]; the entry named `*` is kept apart in Config::wildcard_database.
struct DatabaseConfig {
    std::string name;
    std::vector<std::string> hosts;  // names, addresses, /dir or @abstract; empty = unix_socket_dir
    uint16_t port = 5432;
    std::vector<uint16_t> ports;  // one for each host when `port` lists several, else empty
    // Where connections may lead, resolved by the loader and then never empty: the definitions that
    // `backends=` names, or one for each host, or the one unix socket. Empty if made by hand.
    std::vector<BackendConfig> backends;
    bool has_named_backends = false;  // from `backends=`; hosts and ports are theirs
    std::optional<TargetSessionAttrs> target_session_attrs;
    std::optional<LoadBalance> load_balance;
    std::optional<std::string> zone;  // where we are, for this database
    std::optional<bool> read_write_split;
    std::string dbname;  // on the server; the key when not given (or the asked name for `*`)
    std::optional<std::string> user;      // forced user: every client shares one pool
    std::optional<std::string> password;  // for the server
    std::optional<std::string> auth_user;
    std::optional<std::string> auth_query;
    std::optional<std::string> auth_dbname;
    int pool_size = kInherit;
    int min_pool_size = kInherit;
    int reserve_pool_size = kInherit;
    std::optional<PoolMode> pool_mode;
    std::optional<SizingMode> pool_sizing;
    int max_db_connections = kInherit;
    int max_db_client_connections = kInherit;
    std::optional<Duration> server_lifetime;
    std::optional<Duration> query_wait_timeout;
    std::optional<std::string> connect_query;
    LoadBalanceHosts load_balance_hosts = LoadBalanceHosts::RoundRobin;
    // client_encoding, datestyle, timezone, application_name as sent to the server at login.
    std::vector<std::pair<std::string, std::string>> startup_parameters;

    bool operator==(const DatabaseConfig&) const = default;
};

// One entry of [users].
struct UserConfig {
    std::string name;
    std::optional<PoolMode> pool_mode;
    int pool_size = kInherit;
    int reserve_pool_size = kInherit;
    int max_user_connections = kInherit;
    int max_user_client_connections = kInherit;
    std::optional<Duration> query_timeout;
    std::optional<Duration> idle_transaction_timeout;
    std::optional<Duration> transaction_timeout;
    std::optional<Duration> client_idle_timeout;
    std::optional<Duration> query_wait_timeout;
    std::optional<TargetSessionAttrs> target_session_attrs;

    bool operator==(const UserConfig&) const = default;
};

// The options of [pgbouncer] and [weir], typed. Every field is one row of the option table; the
// text of each value as SHOW CONFIG prints it comes from the table, not from here.
struct GlobalConfig {
    // generic
    std::string access_log, audit_log;
    std::string conffile, logfile, pidfile, listen_addr, unix_socket_dir = "/tmp",
                                                         unix_socket_group, user;
    int listen_port = 6432;
    int unix_socket_mode = 0777;
    std::string job_name = "pgbouncer";
    int peer_id = 0;
    int stats_period_s = 60;
    std::string login_notify_message;

    // pooling and limits
    PoolMode pool_mode = PoolMode::Session;
    int default_pool_size = 20;
    int min_pool_size = 0;
    int reserve_pool_size = 0;
    Duration reserve_pool_timeout = std::chrono::seconds(5);
    int max_client_conn = 100;
    int max_db_connections = 0;
    int max_db_client_connections = 0;
    int max_user_connections = 0;
    int max_user_client_connections = 0;
    bool server_round_robin = false;

    // protocol
    bool application_name_add_host = false;
    bool disable_pqexec = false;
    std::vector<std::string> ignore_startup_parameters;
    int max_prepared_statements = 200;
    std::vector<std::string> track_extra_parameters = {"IntervalStyle"};

    // authentication
    AuthType auth_type = AuthType::Md5;
    std::string auth_file, auth_hba_file, auth_ident_file, auth_ldap_options, auth_user,
        auth_dbname;
    std::string auth_query =
        "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM "
        "pg_authid"
        " WHERE rolname=$1 AND rolcanlogin";
    int scram_iterations = 4096;

    // logging
    bool log_connections = true, log_disconnections = true, log_pooler_errors = true,
         log_stats = true;
    bool syslog = false;
    std::string syslog_facility = "daemon", syslog_ident = "pgbouncer";
    int verbose = 0;

    // console
    std::vector<std::string> admin_users, stats_users;

    // server checks and timeouts
    Duration server_connect_timeout = std::chrono::seconds(15);
    Duration server_login_retry = std::chrono::seconds(15);
    Duration server_lifetime = std::chrono::seconds(3600);
    Duration server_idle_timeout = std::chrono::seconds(600);
    std::string server_reset_query = "DISCARD ALL";
    bool server_reset_query_always = false;
    std::string server_check_query = "<empty>";  // "<empty>" = an empty query, "" = no check
    Duration server_check_delay = std::chrono::seconds(30);
    bool server_fast_close = false;
    Duration client_login_timeout = std::chrono::seconds(60);
    Duration autodb_idle_timeout = std::chrono::seconds(3600);
    Duration pool_idle_timeout = Duration(0);
    int query_wait_notify_s = 5;
    Duration dns_max_ttl = std::chrono::seconds(15);
    Duration dns_nxdomain_ttl = std::chrono::seconds(15);
    Duration dns_zone_check_period = Duration(0);
    std::string resolv_conf;

    // dangerous timeouts
    Duration query_timeout = Duration(0);
    Duration query_wait_timeout = std::chrono::seconds(120);
    Duration cancel_wait_timeout = std::chrono::seconds(10);
    Duration client_idle_timeout = Duration(0);
    Duration idle_transaction_timeout = Duration(0);
    Duration transaction_timeout = Duration(0);
    Duration suspend_timeout = std::chrono::seconds(10);

    // TLS
    SslMode client_tls_sslmode = SslMode::Disable;
    SslMode server_tls_sslmode = SslMode::Prefer;
    std::string client_tls_ca_file, client_tls_cert_file, client_tls_key_file,
        client_tls_protocols = "secure", client_tls_ciphers = "default",
        client_tls_dheparams = "auto", client_tls_ecdhcurve = "auto", client_tls13_ciphers;
    std::string server_tls_ca_file, server_tls_cert_file, server_tls_key_file,
        server_tls_protocols = "secure", server_tls_ciphers = "default", server_tls13_ciphers;

    // network
    int listen_backlog = 128;
    uint32_t max_packet_size = 2147483647;
    int pkt_buf = 4096;
    int sbuf_loopcnt = 5;
    bool so_reuseport = false;
    int tcp_defer_accept_s = 1;
    bool tcp_keepalive = true;
    int tcp_keepcnt = 0, tcp_keepidle_s = 0, tcp_keepintvl_s = 0;
    int tcp_socket_buffer_bytes = 0;
    int tcp_user_timeout_ms = 0;

    // [weir]
    int workers = 0;  // 0 = one per core
    bool fold_workers = true;
    int login_burst = 32;  // logins in flight per pool at the most
    int fifo_slack_us = 100;
    TlsNegotiation server_tls_negotiation = TlsNegotiation::Postgres;
    SizingMode pool_sizing = SizingMode::Demand;
    bool fair_shares = true;
    QueueError queue_error = QueueError::Close;
    ServerProtocol server_protocol = ServerProtocol::V30;
    ShutdownDrain shutdown_drain = ShutdownDrain::None;
    Duration shutdown_drain_time = std::chrono::seconds(10);
    StatementError statement_error = StatementError::Close;
    LogFormat log_format = LogFormat::Pgbouncer;
    Duration auth_query_ttl = Duration(0);
    int auth_failures_max = 0;  // wrong passwords of one address for one user; 0 = no limit
    Duration auth_failures_window = std::chrono::seconds(60);
    Duration auth_failure_delay = Duration(0);

    // [weir], leaks: what is reported, and from when on something is done about it (0 = off)
    Duration leak_idle_transaction = std::chrono::seconds(30);
    Duration leak_idle_transaction_kill = Duration(0);
    Duration leak_hold = std::chrono::seconds(60);
    Duration leak_hold_cancel = Duration(0);
    Duration leak_pin = std::chrono::seconds(300);
    Duration leak_session_idle = std::chrono::seconds(600);
    Duration leak_session_idle_close = Duration(0);
    int leak_statements = 1000;
    int leak_statements_max = 0;
    bool leak_count_check = true;
    Duration leak_orphan = std::chrono::seconds(1);
    int leak_buffer_bytes = 65536;
    Duration leak_buffer_time = std::chrono::seconds(30);
    Duration leak_buffer_close = Duration(0);

    // [weir], query insight
    bool query_insight = true;
    int query_digests_max = 1000;
    int query_samples_max = 2000;  // per second and worker
    Duration slow_query_time = std::chrono::seconds(1);
    bool log_slow_queries = false;

    // [weir], many backends: which one is chosen
    std::string zone;           // where we are; empty = zones do not matter
    int zone_spill_factor = 2;  // 0 = zones do not matter
    LoadBalance load_balance = LoadBalance::WeightedLeastOutstanding;
    TargetSessionAttrs target_session_attrs = TargetSessionAttrs::Any;
    std::vector<std::string> target_session_attrs_ports;  // see port_targets.h
    bool read_write_split = false;
    ReadYourWrites read_your_writes = ReadYourWrites::Time;
    Duration read_your_writes_time = std::chrono::seconds(5);
    int primary_read_spill = 30;  // percent of the primary's pool
    Duration breaker_hold = std::chrono::seconds(10);

    // [weir], many backends: how they are judged. Scores are percent.
    Duration probe_interval = std::chrono::seconds(1);
    Duration probe_interval_fast = std::chrono::milliseconds(500);
    Duration probe_timeout = std::chrono::milliseconds(600);
    std::string probe_user, probe_password, probe_dbname = "postgres";
    Duration patroni_interval = std::chrono::milliseconds(250);
    Duration patroni_timeout = std::chrono::milliseconds(200);
    Duration lag_soft = std::chrono::seconds(2);
    Duration lag_hard = std::chrono::seconds(10);
    int64_t lag_hard_bytes = 0;  // 0 = bytes do not matter
    Duration slow_start = std::chrono::seconds(30);
    int degraded_below = 50, up_from = 70;

    // [weir], metrics and status page
    std::string metrics_listen;  // see metrics_address.h
    std::string metrics_token, metrics_token_file;
    std::string metrics_tls_cert_file, metrics_tls_key_file;
    int metrics_pools_max = 100;  // (database, user) with series of their own

    // [weir], many backends: when they are taken out, and when that would be too many
    int ejection_consecutive = 5;
    int ejection_failure_percent = 50;
    int ejection_samples_min = 20;
    int ejection_probes = 3;
    Duration ejection_time = std::chrono::seconds(5);
    Duration ejection_time_max = std::chrono::seconds(60);
    int max_ejection_percent = 50;
    int panic_threshold_percent = 50;
    bool breaker_dry_run = false;
};

// One entry of [peers]: another process that cancel requests may have to be passed on to.
struct PeerConfig {
    int id = 0;
    std::vector<std::string> hosts;
    uint16_t port = 6432;
    int pool_size = kInherit;

    bool operator==(const PeerConfig&) const = default;
};

// One line of auth_file: the secret as written (plain, md5..., SCRAM-SHA-256$...).
struct AuthFileUser {
    std::string name;
    std::string secret;
};

// Where an option stands and how it reads, for SHOW CONFIG and for messages.
struct ConfigNote {
    std::string file;
    int line = 0;
    std::string text;
};

// An option that only a restart can change and that the file now wants different from what is
// running.
struct PendingRestart {
    std::string option;
    std::string running;
    std::string wanted;

    bool operator==(const PendingRestart&) const = default;
};

// What the console has changed about backends since the files were read (backend_edit.h).
struct BackendEdits {
    using Use = std::pair<std::string, std::string>;  // database, backend
    std::set<Use> added;
    std::set<Use> removed;
    std::set<std::string> defined;  // backends that no file defines
};

struct AuthRules;  // auth_rules.h

struct Config {
    GlobalConfig global;
    std::map<std::string, DatabaseConfig> databases;
    std::optional<DatabaseConfig> wildcard_database;
    std::map<std::string, UserConfig> users;
    std::map<std::string, BackendConfig> backends;  // the named ones, also those nobody uses
    std::map<std::string, RateLimitConfig> rate_limits;
    std::unordered_map<std::string, std::string> secrets;  // auth_file: user -> secret
    std::shared_ptr<const AuthRules> auth_rules;           // null unless auth_type is hba
    std::vector<PeerConfig> peers;                         // by id, ascending
    // Legal but probably not what was meant; reported after each load.
    std::vector<ConfigNote> warnings;
    // Filled by a reload: the running value stays in `global`, the file's waits here for a restart.
    std::vector<PendingRestart> needs_restart;
    BackendEdits backend_edits;  // empty after a load
    uint32_t fingerprint = 0;    // of the files, see fingerprint.h; as they were loaded last
    // SHA-256, in hexadecimal, of all files that it was read from, in their order, and of what was
    // changed since (SET, ADD BACKEND ...): two that differ are different configurations.
    std::string digest;
    void add_to_digest(std::string_view change);

    // The entry for `name`: an exact one, or one made from `*` with dbname = name; empty when
    // neither.
    [[nodiscard]] std::optional<DatabaseConfig> find_database(const std::string& name) const;
    [[nodiscard]] const UserConfig* find_user(const std::string& name) const;
    [[nodiscard]] const std::string* find_secret(const std::string& name) const;
};

using ConfigPtr = std::shared_ptr<const Config>;

// Precedence rules (user > database > global, as PgBouncer's). 0 = unlimited for the limits.
// `user` is the one whose pool it is (the forced user of the database when it has one) for the
// server-side sizes and pool_mode, and the one who logged in for the client-side timeouts and
// limits.
PoolMode effective_pool_mode(const Config& c, const DatabaseConfig& db, const std::string& user);
int effective_pool_size(const Config& c, const DatabaseConfig& db, const std::string& user);
int effective_min_pool_size(const Config& c, const DatabaseConfig& db);
int effective_reserve_pool_size(const Config& c, const DatabaseConfig& db, const std::string& user);
SizingMode effective_pool_sizing(const Config& c, const DatabaseConfig& db);
int effective_max_db_connections(const Config& c, const DatabaseConfig& db);
int effective_max_db_client_connections(const Config& c, const DatabaseConfig& db);
int effective_max_user_connections(const Config& c, const std::string& user);
int effective_max_user_client_connections(const Config& c, const std::string& user);
Duration effective_query_wait_timeout(const Config& c, const DatabaseConfig& db,
                                      const std::string& user);
Duration effective_query_timeout(const Config& c, const std::string& user);
Duration effective_idle_transaction_timeout(const Config& c, const std::string& user);
Duration effective_transaction_timeout(const Config& c, const std::string& user);
Duration effective_client_idle_timeout(const Config& c, const std::string& user);
Duration effective_server_lifetime(const Config& c, const DatabaseConfig& db);
TargetSessionAttrs effective_target_session_attrs(const Config& c, const DatabaseConfig& db,
                                                  const std::string& user);
// The same, and whose word it is.
enum class WordOf : uint8_t { User, Database, Default };
struct TargetWord {
    TargetSessionAttrs wanted = TargetSessionAttrs::Any;
    WordOf of = WordOf::Default;
};
TargetWord target_session_attrs_word(const Config& c, const DatabaseConfig& db,
                                     const std::string& user);
LoadBalance effective_load_balance(const Config& c, const DatabaseConfig& db);
bool effective_read_write_split(const Config& c, const DatabaseConfig& db);
const std::string& effective_zone(const Config& c, const DatabaseConfig& db);

// Is each transaction of this database sent to the backend that suits it best? Yes when its
// backends have names, or there are several and somebody said how to choose among them (the option
// counts when it differs from its default, a user's target_session_attrs does not). Otherwise its
// hosts are used in turn by one pool, as PgBouncer does.
bool is_routed(const Config& c, const DatabaseConfig& db);

}  // namespace weir
