#include "conf/option_table.h"

#include "conf/ldap_options.h"
#include "conf/metrics_address.h"
#include "conf/port_targets.h"
#include "conf/words.h"

namespace weir {

namespace {

using G = GlobalConfig;
using T = OptionType;
using enum OptionGroup;

// The columns that read as words.
constexpr Change kReload = Change::Reload;
constexpr Change kRestart = Change::Restart;
constexpr const char* kUnset = nullptr;

constexpr Bounds kCount{0, std::numeric_limits<int32_t>::max()};
constexpr Bounds kLimit{-1, std::numeric_limits<int32_t>::max()};  // 0 and below: no limit
constexpr Bounds kPercent{0, 100};
constexpr Bounds kNone{};
constexpr std::span<const Word> kNoWords{};
constexpr Status (*kNoCheck)(std::string_view) = nullptr;

constexpr Bounds within(int64_t min, int64_t max) {
    return {min, max};
}

Status not_the_console(std::string_view value) {
    if (value != "pgbouncer" && value != "weir") return {};
    return fail("22023", "reserved for the console; name a database of [databases]");
}

// What is not a time at all is for the type to refuse.
Status above_zero(std::string_view value) {
    const Result<Duration> time = parse_seconds(value);
    if (!time || time->count() > 0) return {};
    return fail("22023", "must be above 0; give seconds such as 1 or 0.5");
}

Status at_most_a_minute(std::string_view value) {
    const Result<Duration> time = parse_seconds(value);
    if (!time || *time <= std::chrono::seconds(60)) return {};
    return fail("22023", "must be at most 60; give seconds such as 0.5");
}

Status are_ldap_options(std::string_view value) {
    if (value.empty()) return {};
    const Result<LdapOptions> options = parse_ldap_options(value);
    if (!options) return tl::unexpected<Error>(options.error());
    return {};
}

Status are_port_targets(std::string_view value) {
    for (const std::string& text : split_list(value)) {
        const Result<PortTarget> one = parse_port_target(text);
        if (!one) return tl::unexpected<Error>(one.error());
    }
    return {};
}

Status is_metrics_address(std::string_view value) {
    const Result<std::optional<MetricsAddress>> address = parse_metrics_address(value);
    if (!address) return tl::unexpected<Error>(address.error());
    return {};
}

// What a client can send in a header.
Status is_token(std::string_view value) {
    for (const char c : value) {
        if (c > ' ' && c <= '~') continue;
        return fail("22023", "not a token; give printable ASCII without blanks");
    }
    return {};
}

constexpr Option kOptions[] = {
    // group, name, type, default, change, field,
    // doc, [bounds], [words], [check], [alias of]
    {Generic, "conffile", T::String, kUnset, kReload, &G::conffile,
     "Configuration file that the next RELOAD reads; starts as the one given on the command line."},
    {Generic, "job_name", T::String, "pgbouncer", kRestart, &G::job_name,
     "Name of the Windows service; accepted, and has no effect on this system."},
    {Generic, "listen_addr", T::String, "", kRestart, &G::listen_addr,
     "Addresses or host names to listen on, comma separated; `*` is every address; empty listens "
     "on the unix socket only."},
    {Generic, "listen_port", T::Int, "6432", kRestart, &G::listen_port,
     "TCP port, and the number in the name of the unix socket.", within(0, 65535)},
    {Generic, "logfile", T::String, "", kReload, &G::logfile,
     "File to append log lines to; reopened on RELOAD and SIGHUP, so that it can be rotated."},
    {Generic, "login_notify_message", T::String, "", kReload, &G::login_notify_message,
     "Text of a NOTICE that every client gets when it has logged in; empty sends none."},
    {Generic, "peer_id", T::Int, "0", kReload, &G::peer_id,
     "Number of this process among its peers, put into cancel keys; 0 means it has no peers.",
     within(0, 16383)},
    {Generic, "pidfile", T::String, "", kRestart, &G::pidfile,
     "File that receives the process id."},
    {Generic, "service_name", T::String, kUnset, kRestart, &G::job_name,
     "Older spelling of `job_name`.", kNone, kNoWords, kNoCheck, "job_name"},
    {Generic, "stats_period", T::Int, "60", kReload, &G::stats_period_s,
     "Seconds over which the averages of SHOW STATS are taken.", within(1, 1'000'000)},
    {Generic, "unix_socket_dir", T::String, "/tmp", kRestart, &G::unix_socket_dir,
     "Directory of the unix socket, `@name` for an abstract one, empty for none; also where "
     "servers without `host` are looked for."},
    {Generic, "unix_socket_group", T::String, "", kRestart, &G::unix_socket_group,
     "Group that the unix socket file is given to."},
    {Generic, "unix_socket_mode", T::Octal, "0777", kRestart, &G::unix_socket_mode,
     "Permissions of the unix socket file, written in octal with a leading 0.", within(0, 0777)},
    {Generic, "user", T::String, kUnset, kRestart, &G::user,
     "System user to become after the configuration has been read."},

    {Pooling, "default_pool_size", T::Int, "20", kReload, &G::default_pool_size,
     "Server connections that one pool (a database and a user) may have; 0 is no limit.", kCount},
    {Pooling, "max_client_conn", T::Int, "100", kReload, &G::max_client_conn,
     "Clients connected at the same time, those logging in included; console users do not count.",
     kCount},
    {Pooling, "max_db_client_connections", T::Int, "0", kReload, &G::max_db_client_connections,
     "Clients of one database, whoever they are; 0 is no limit.", kLimit},
    {Pooling, "max_db_connections", T::Int, "0", kReload, &G::max_db_connections,
     "Server connections of one database over all its pools; 0 is no limit.", kLimit},
    {Pooling, "max_user_client_connections", T::Int, "0", kReload, &G::max_user_client_connections,
     "Clients of one user over all databases; 0 is no limit.", kLimit},
    {Pooling, "max_user_connections", T::Int, "0", kReload, &G::max_user_connections,
     "Server connections of one user over all databases; 0 is no limit.", kLimit},
    {Pooling, "min_pool_size", T::Int, "0", kReload, &G::min_pool_size,
     "Server connections that a pool in use keeps open even when they idle.", kCount},
    {Pooling, "pool_mode", T::Word, "session", kReload, &G::pool_mode,
     "When a client gives its server connection back: at its end, after each transaction or after "
     "each statement.",
     kNone, kPoolModeWords},
    {Pooling, "reserve_pool_size", T::Int, "0", kReload, &G::reserve_pool_size,
     "Extra server connections that a pool may open once a client has waited "
     "`reserve_pool_timeout`.",
     kCount},
    {Pooling, "reserve_pool_timeout", T::Time, "5", kReload, &G::reserve_pool_timeout,
     "How long a client waits before the reserve is used; 0 never uses it."},
    {Pooling, "server_round_robin", T::Bool, "0", kReload, &G::server_round_robin,
     "Take the server connection that has idled longest instead of the one used last."},

    {Protocol, "application_name_add_host", T::Bool, "0", kReload, &G::application_name_add_host,
     "Append the client's address and port to the application_name it starts with."},
    {Protocol, "disable_pqexec", T::Bool, "0", kRestart, &G::disable_pqexec,
     "Refuse the simple query protocol, which allows several statements in one message."},
    {Protocol, "ignore_startup_parameters", T::List, "", kReload, &G::ignore_startup_parameters,
     "Startup parameters to drop silently where an unknown one would end the connection; may name "
     "`options`."},
    {Protocol, "max_prepared_statements", T::Int, "200", kReload, &G::max_prepared_statements,
     "Prepared statements kept on one server connection in transaction and statement mode, where "
     "each client has names of its own, also for DEALLOCATE; 0 does not track them.",
     kCount},
    {Protocol, "track_extra_parameters", T::List, "IntervalStyle", kRestart,
     &G::track_extra_parameters,
     "Settings reported by PostgreSQL to remember for each client, besides those always "
     "remembered; letter case matters."},

    {Authentication, "auth_dbname", T::String, kUnset, kReload, &G::auth_dbname,
     "Entry of [databases] in which `auth_query` runs.", kNone, kNoWords, not_the_console},
    {Authentication, "auth_file", T::String, kUnset, kReload, &G::auth_file,
     "File of user names and their secrets; read again on every RELOAD."},
    {Authentication, "auth_hba_file", T::String, "", kReload, &G::auth_hba_file,
     "File of host-based rules for auth_type `hba`."},
    {Authentication, "auth_ident_file", T::String, kUnset, kReload, &G::auth_ident_file,
     "File that maps system or certificate names to users for auth_type `hba`."},
    {Authentication, "auth_ldap_options", T::Secret, kUnset, kReload, &G::auth_ldap_options,
     "Connection options for auth_type `ldap`, in the form used by pg_hba.conf.", kNone, kNoWords,
     are_ldap_options},
    {Authentication, "auth_query", T::String,
     "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM "
     "pg_authid WHERE rolname=$1 AND rolcanlogin",
     kReload, &G::auth_query, "Query that answers with name and secret of the user given as $1."},
    {Authentication, "auth_type", T::Word, "md5", kReload, &G::auth_type,
     "How clients prove who they are; `md5` uses SCRAM for users whose secret is a SCRAM one.",
     kNone, kAuthTypeWords},
    {Authentication, "auth_user", T::String, kUnset, kReload, &G::auth_user,
     "User that runs `auth_query` for names that are not in `auth_file`."},
    {Authentication, "scram_iterations", T::Int, "4096", kReload, &G::scram_iterations,
     "Iterations of the SCRAM secrets that are made from plain passwords.", within(1, 10'000'000)},

    {Logging, "log_connections", T::Bool, "1", kReload, &G::log_connections,
     "Log each login of a client and each new server connection."},
    {Logging, "log_disconnections", T::Bool, "1", kReload, &G::log_disconnections,
     "Log each end of a connection with its reason."},
    {Logging, "log_pooler_errors", T::Bool, "1", kReload, &G::log_pooler_errors,
     "Log the errors that the proxy itself sends to clients."},
    {Logging, "log_stats", T::Bool, "1", kReload, &G::log_stats,
     "Log one line of totals every `stats_period`."},
    {Logging, "syslog", T::Bool, "0", kReload, &G::syslog, "Log to syslog too."},
    {Logging, "syslog_facility", T::Word, "daemon", kReload, &G::syslog_facility,
     "Facility of the lines in syslog.", kNone, kSyslogFacilityWords},
    {Logging, "syslog_ident", T::String, "pgbouncer", kReload, &G::syslog_ident,
     "Program name in front of the lines in syslog."},
    {Logging, "verbose", T::Int, kUnset, kReload, &G::verbose,
     "Detail of the log, as -v on the command line: 0 normal, 1 debugging, 2 and more everything.",
     within(0, 9)},

    {Console, "admin_users", T::List, "", kReload, &G::admin_users,
     "Users who may run every command of the console."},
    {Console, "stats_users", T::List, "", kReload, &G::stats_users,
     "Users who may look (SHOW, EXPLAIN ROUTE) but not change anything on the console."},

    {Checks, "autodb_idle_timeout", T::Time, "3600", kReload, &G::autodb_idle_timeout,
     "Forget a database made from the `*` entry after it has not been used this long."},
    {Checks, "client_login_timeout", T::Time, "60", kReload, &G::client_login_timeout,
     "Drop a client that has not logged in by then."},
    {Checks, "dns_max_ttl", T::Time, "15", kReload, &G::dns_max_ttl,
     "How long the answer to a host name lookup is used."},
    {Checks, "dns_nxdomain_ttl", T::Time, "15", kReload, &G::dns_nxdomain_ttl,
     "How long a failed host name lookup is remembered."},
    {Checks, "dns_zone_check_period", T::Time, "0", kReload, &G::dns_zone_check_period,
     "How often the serial numbers of the zones in use are asked for; 0 never asks."},
    {Checks, "pool_idle_timeout", T::Time, "0", kReload, &G::pool_idle_timeout,
     "Forget a pool that has had neither clients nor servers this long; 0 keeps it."},
    {Checks, "query_wait_notify", T::Int, "5", kReload, &G::query_wait_notify_s,
     "Send a NOTICE to a client that has waited for a server connection this many seconds; 0 sends "
     "none.",
     kCount},
    {Checks, "resolv_conf", T::String, "", kRestart, &G::resolv_conf,
     "File to use in place of /etc/resolv.conf; a `nameserver` in it may have a port "
     "(127.0.0.1:5353)."},
    {Checks, "server_check_delay", T::Time, "30", kReload, &G::server_check_delay,
     "A server connection that has idled longer is checked before it is used again."},
    {Checks, "server_check_query", T::String, "<empty>", kReload, &G::server_check_query,
     "Query of that check; `<empty>` sends an empty query, no text at all turns the check off."},
    {Checks, "server_connect_timeout", T::Time, "15", kReload, &G::server_connect_timeout,
     "Time that connecting and logging in to a server may take."},
    {Checks, "server_fast_close", T::Bool, "0", kReload, &G::server_fast_close,
     "In session mode, close connections that are to be replaced as soon as they are outside a "
     "transaction."},
    {Checks, "server_idle_timeout", T::Time, "600", kReload, &G::server_idle_timeout,
     "Close a server connection that has idled this long; 0 never does."},
    {Checks, "server_lifetime", T::Time, "3600", kReload, &G::server_lifetime,
     "Close a server connection this old when it is free; 0 closes it after one use."},
    {Checks, "server_login_retry", T::Time, "15", kReload, &G::server_login_retry,
     "Pause after a failed connection attempt; meanwhile new clients get the error at once."},
    {Checks, "server_reset_query", T::String, "DISCARD ALL", kReload, &G::server_reset_query,
     "Sent to a server that a client gives back in session mode; empty sends none."},
    {Checks, "server_reset_query_always", T::Bool, "0", kReload, &G::server_reset_query_always,
     "Send `server_reset_query` in the other pool modes too."},

    {ClientTls, "client_tls13_ciphers", T::String, kUnset, kReload, &G::client_tls13_ciphers,
     "Cipher suites of TLS 1.3."},
    {ClientTls, "client_tls_ca_file", T::String, "", kReload, &G::client_tls_ca_file,
     "Certificates of the authorities that may sign client certificates, and revocation lists."},
    {ClientTls, "client_tls_cert_file", T::String, "", kReload, &G::client_tls_cert_file,
     "Certificate shown to clients, and the chain behind it."},
    {ClientTls, "client_tls_ciphers", T::String, "default", kReload, &G::client_tls_ciphers,
     "Ciphers up to TLS 1.2."},
    {ClientTls, "client_tls_dheparams", T::String, "auto", kReload, &G::client_tls_dheparams,
     "Parameters of the Diffie-Hellman exchange: `none`, `auto` or `legacy`."},
    {ClientTls, "client_tls_ecdhcurve", T::String, "auto", kReload, &G::client_tls_ecdhcurve,
     "Curve of the elliptic Diffie-Hellman exchange: `none`, `auto` or its name."},
    {ClientTls, "client_tls_key_file", T::String, "", kReload, &G::client_tls_key_file,
     "Private key of `client_tls_cert_file`."},
    {ClientTls, "client_tls_protocols", T::String, "secure", kReload, &G::client_tls_protocols,
     "TLS versions: a list of `tlsv1.0` to `tlsv1.3`, `secure`, `legacy` or `all`."},
    {ClientTls, "client_tls_sslmode", T::Word, "disable", kReload, &G::client_tls_sslmode,
     "Whether clients may or must use TLS, and whether they must show a certificate.", kNone,
     kSslModeWords},

    {ServerTls, "server_tls13_ciphers", T::String, kUnset, kReload, &G::server_tls13_ciphers,
     "Cipher suites of TLS 1.3."},
    {ServerTls, "server_tls_ca_file", T::String, "", kReload, &G::server_tls_ca_file,
     "Certificates of the authorities that may sign server certificates, and revocation lists; "
     "unset: the system's."},
    {ServerTls, "server_tls_cert_file", T::String, "", kReload, &G::server_tls_cert_file,
     "Certificate shown to servers."},
    {ServerTls, "server_tls_ciphers", T::String, "default", kReload, &G::server_tls_ciphers,
     "Ciphers up to TLS 1.2."},
    {ServerTls, "server_tls_key_file", T::String, "", kReload, &G::server_tls_key_file,
     "Private key of `server_tls_cert_file`."},
    {ServerTls, "server_tls_protocols", T::String, "secure", kReload, &G::server_tls_protocols,
     "TLS versions: a list of `tlsv1.0` to `tlsv1.3`, `secure`, `legacy` or `all`."},
    {ServerTls, "server_tls_sslmode", T::Word, "prefer", kReload, &G::server_tls_sslmode,
     "Whether servers are asked for TLS, and what of their certificate is checked.", kNone,
     kSslModeWords},

    {Dangerous, "cancel_wait_timeout", T::Time, "10", kReload, &G::cancel_wait_timeout,
     "Drop a cancel request that could not be passed on by then."},
    {Dangerous, "client_idle_timeout", T::Time, "0", kReload, &G::client_idle_timeout,
     "Disconnect a client that has been silent outside a transaction this long; 0 never does."},
    {Dangerous, "idle_transaction_timeout", T::Time, "0", kReload, &G::idle_transaction_timeout,
     "Disconnect a client that has been silent inside a transaction this long; 0 never does."},
    {Dangerous, "query_timeout", T::Time, "0", kReload, &G::query_timeout,
     "Disconnect a client whose query has run this long; 0 never does."},
    {Dangerous, "query_wait_timeout", T::Time, "120", kReload, &G::query_wait_timeout,
     "Disconnect a client that has waited for a server connection this long; 0 lets it wait."},
    {Dangerous, "suspend_timeout", T::Time, "10", kReload, &G::suspend_timeout,
     "A SUSPEND, or another process that takes over (-R), is given this long."},
    {Dangerous, "transaction_timeout", T::Time, "0", kReload, &G::transaction_timeout,
     "Disconnect a client whose transaction has been open this long; 0 never does."},

    {Network, "listen_backlog", T::Int, "128", kRestart, &G::listen_backlog,
     "Connections that the kernel keeps for us until they are accepted.", kCount},
    {Network, "max_packet_size", T::Size, "2147483647", kReload, &G::max_packet_size,
     "Bytes of the largest message that is let through.",
     within(1024, std::numeric_limits<uint32_t>::max())},
    {Network, "pkt_buf", T::Size, "4096", kRestart, &G::pkt_buf,
     "Bytes of the buffer of a busy connection.", within(256, 64 << 20)},
    {Network, "sbuf_loopcnt", T::Int, "5", kReload, &G::sbuf_loopcnt,
     "Reads from one connection before the others get their turn; 0 is no limit.", kCount},
    {Network, "so_reuseport", T::Bool, "0", kRestart, &G::so_reuseport,
     "Let several processes listen on the same port."},
    {Network, "tcp_defer_accept", T::Int, "1", kReload, &G::tcp_defer_accept_s,
     "Seconds for which the kernel holds back a connection that has sent nothing yet; 0 does not.",
     kCount},
    {Network, "tcp_keepalive", T::Bool, "1", kReload, &G::tcp_keepalive,
     "Let the kernel find out about connections whose other end has vanished."},
    {Network, "tcp_keepcnt", T::Int, "0", kReload, &G::tcp_keepcnt,
     "Unanswered keepalive probes before a connection is given up; 0 leaves it to the kernel.",
     kCount},
    {Network, "tcp_keepidle", T::Int, "0", kReload, &G::tcp_keepidle_s,
     "Seconds of silence before the first keepalive probe; 0 leaves it to the kernel.", kCount},
    {Network, "tcp_keepintvl", T::Int, "0", kReload, &G::tcp_keepintvl_s,
     "Seconds between keepalive probes; 0 leaves it to the kernel.", kCount},
    {Network, "tcp_socket_buffer", T::Size, "0", kReload, &G::tcp_socket_buffer_bytes,
     "Bytes of the kernel's send and receive buffers; 0 leaves them to the kernel.", kCount},
    {Network, "tcp_user_timeout", T::Int, "0", kReload, &G::tcp_user_timeout_ms,
     "Milliseconds that sent bytes may stay unacknowledged before the connection is given up; 0 "
     "leaves it to the kernel.",
     kCount},

    {Weir, "access_log", T::String, "", kReload, &G::access_log,
     "File that gets a line of JSON, in a hash chain, when a client has logged in, is refused, or "
     "leaves; reopened on RELOAD and SIGHUP; empty writes none."},
    {Weir, "audit_log", T::String, "", kReload, &G::audit_log,
     "File that gets a line of JSON, in a hash chain, for every command of the console that "
     "changes something, signals and takeovers; reopened on RELOAD and SIGHUP; empty writes none."},
    {Weir, "auth_failure_delay", T::Time, "0", kReload, &G::auth_failure_delay,
     "How long the answer to a wrong password is held back, at most 60; 0 answers at once.", kNone,
     kNoWords, at_most_a_minute},
    {Weir, "auth_failures_max", T::Int, "0", kReload, &G::auth_failures_max,
     "Wrong passwords for one user from one address (the /64 of IPv6; the Unix socket is one "
     "address) within `auth_failures_window`, after which every login of that user from there is "
     "refused (28000) until the window ends, whatever its password; 0 does not count.",
     kCount},
    {Weir, "auth_failures_window", T::Time, "60", kReload, &G::auth_failures_window,
     "See `auth_failures_max`; begins with the first wrong password, and a good login ends it.",
     kNone, kNoWords, above_zero},
    {Weir, "auth_query_ttl", T::Time, "0", kReload, &G::auth_query_ttl,
     "How long the answer of `auth_query` is used for further logins; one that does not match is "
     "asked for again before anybody is refused; 0 asks at every login."},
    {Weir, "fair_shares", T::Bool, "1", kReload, &G::fair_shares,
     "While `max_db_connections` is used up and somebody waits: a pool that has more than its fair "
     "share gives connections back to one that has less, and opens none."},
    {Weir, "fifo_slack_us", T::Int, "100", kReload, &G::fifo_slack_us,
     "Microseconds by which a client may be served before one that has waited longer, when it is "
     "on the worker that has the free server: moving a server to another worker costs CPU. 0 is "
     "strictly first come, first served.",
     within(0, 1'000'000)},
    {Weir, "fold_workers", T::Bool, "1", kReload, &G::fold_workers,
     "One thread drives all workers while it is enough, which costs less CPU than several that "
     "wake each other; when it is full and there are cores for more, or waits for its core half "
     "of the time, each has its own. 0: each always has its own."},
    {Weir, "log_format", T::Word, "pgbouncer", kReload, &G::log_format,
     "How a line of the log reads: as PgBouncer writes it, or one JSON object.", kNone,
     kLogFormatWords},
    {Weir, "login_burst", T::Int, "32", kReload, &G::login_burst,
     "Server logins that one pool may have under way at the same time.", within(1, 10'000)},
    {Weir, "pool_sizing", T::Word, "demand", kReload, &G::pool_sizing,
     "How a pool's size is found, between `min_pool_size` and `pool_size`. demand opens what is "
     "wanted and closes what was idle for `server_idle_timeout`, a tenth of the pool at a time; "
     "fixed closes all of it at once; adaptive is demand below a ceiling that follows the server: "
     "it sinks when queries get slower the more run at once. An unlimited pool has no ceiling.",
     kNone, kSizingModeWords},
    {Weir, "queue_error", T::Word, "close", kReload, &G::queue_error,
     "What a client gets whose transaction has waited for a server for `query_wait_timeout`: close "
     "ends its connection (FATAL 08P01, as PgBouncer does), keep is an ERROR 53300 after which the "
     "session goes on, so that client pools need not connect anew just when all is busy.",
     kNone, kQueueErrorWords},
    {Weir, "server_protocol", T::Word, "3.0", kReload, &G::server_protocol,
     "Protocol that servers are asked for. 3.2 has longer cancel keys: PostgreSQL 18 speaks it, an "
     "older one (from 9.3.21, 10.2 on) answers that it does not and 3.0 is used.",
     kNone, kServerProtocolWords},
    {Weir, "server_tls_negotiation", T::Word, "postgres", kReload, &G::server_tls_negotiation,
     "How TLS to a server begins: `postgres` asks for it first, `direct` starts at once "
     "(PostgreSQL 17 and later), which needs a `server_tls_sslmode` of `require` or more.",
     kNone, kTlsNegotiationWords},
    {Weir, "shutdown_drain", T::Word, "none", kReload, &G::shutdown_drain,
     "What becomes of clients while SIGTERM waits for them to leave: none leaves it to them, as "
     "PgBouncer does; transaction ends connections of transaction and statement pooling when they "
     "are outside a transaction (FATAL 57P01), so that deploys finish.",
     kNone, kShutdownDrainWords},
    {Weir, "shutdown_drain_time", T::Time, "10", kReload, &G::shutdown_drain_time,
     "The time over which `shutdown_drain` spreads the ends of connections, so that clients do not "
     "connect elsewhere all at once."},
    {Weir, "statement_error", T::Word, "close", kReload, &G::statement_error,
     "What a client gets that uses a prepared statement it does not have, or prepares a name that "
     "it has: close ends its connection (FATAL 08P01, as PgBouncer does), keep is an ERROR (26000, "
     "42P05) in the batch, as PostgreSQL does.",
     kNone, kStatementErrorWords},
    {Weir, "workers", T::Int, "0", kRestart, &G::workers,
     "Threads that carry traffic; 0 is one for each processor core.", within(0, 256)},

    {Leaks, "leak_buffer", T::Size, "65536", kReload, &G::leak_buffer_bytes,
     "L9: bytes that a client has not read yet, here and in the kernel, above which it is reported "
     "when its server is stopped for it all through `leak_buffer_time`.",
     kCount},
    {Leaks, "leak_buffer_close", T::Time, "0", kReload, &G::leak_buffer_close,
     "L9: disconnect such a client after this long; 0 never does."},
    {Leaks, "leak_buffer_time", T::Time, "30", kReload, &G::leak_buffer_time,
     "L9: how long a client may leave more than `leak_buffer` unread before it is reported; 0 does "
     "not report it."},
    {Leaks, "leak_count_check", T::Bool, "1", kReload, &G::leak_count_check,
     "L6: compare, every 10 seconds, what each pool has lent with what the workers hold."},
    {Leaks, "leak_hold", T::Time, "60", kReload, &G::leak_hold,
     "L2: report a client that holds a server this long, a query running or not; in session "
     "pooling, one transaction or query of it. 0 does not."},
    {Leaks, "leak_hold_cancel", T::Time, "0", kReload, &G::leak_hold_cancel,
     "L2: cancel the query that such a client runs (57014) after this long; 0 never does."},
    {Leaks, "leak_idle_transaction", T::Time, "30", kReload, &G::leak_idle_transaction,
     "L1: report a client that has been silent inside a transaction this long; 0 does not. See "
     "also `idle_transaction_timeout`."},
    {Leaks, "leak_idle_transaction_kill", T::Time, "0", kReload, &G::leak_idle_transaction_kill,
     "L1: disconnect such a client (25P03) and roll back after this long; 0 never does."},
    {Leaks, "leak_orphan", T::Time, "1", kReload, &G::leak_orphan,
     "L7: report a server that is bound this long to a client that is gone, and disconnect what is "
     "left of that client; 0 does not look for them."},
    {Leaks, "leak_pin", T::Time, "300", kReload, &G::leak_pin,
     "L3: report a server that an open transaction, a COPY, a batch without Sync or half a message "
     "keeps from being given back this long; 0 does not."},
    {Leaks, "leak_session_idle", T::Time, "600", kReload, &G::leak_session_idle,
     "L4: report, in session pooling, a client that holds a server and has been silent outside a "
     "transaction this long; 0 does not."},
    {Leaks, "leak_session_idle_close", T::Time, "0", kReload, &G::leak_session_idle_close,
     "L4: disconnect such a client (57P05) after this long; 0 never does."},
    {Leaks, "leak_statements", T::Int, "1000", kReload, &G::leak_statements,
     "L5: report a client, or a server, with more named prepared statements than this; 0 does not. "
     "Not known in session pooling.",
     kCount},
    {Leaks, "leak_statements_max", T::Int, "0", kReload, &G::leak_statements_max,
     "L5: disconnect a client (54000) that prepares more named statements than this; 0 lets it.",
     kCount},

    {Insight, "log_slow_queries", T::Bool, "0", kReload, &G::log_slow_queries,
     "Whether queries over `slow_query_time` are logged, with their literals masked, 20 in a "
     "second "
     "at the most."},
    {Insight, "query_digests_max", T::Int, "1000", kReload, &G::query_digests_max,
     "Rows of SHOW QUERIES that are kept: one for each database, user and digest. The least used "
     "ones make room for new ones, and are counted in the row of the others.",
     within(10, 100'000)},
    {Insight, "query_insight", T::Bool, "1", kReload, &G::query_insight,
     "Whether queries are watched for SHOW QUERIES and SHOW SLOW. Literals never leave the "
     "process; "
     "texts are read off the workers."},
    {Insight, "query_samples_max", T::Int, "2000", kReload, &G::query_samples_max,
     "Queries per second that each worker tells about; when there are more, one of several stands "
     "for all. As many slow and failed ones are told besides.",
     within(10, 1'000'000)},
    {Insight, "slow_query_time", T::Time, "1", kReload, &G::slow_query_time,
     "A query that takes its server this long is slow and listed by SHOW SLOW; 0 lists none. "
     "Waiting for a server does not count."},

    {Backends, "breaker_dry_run", T::Bool, "0", kReload, &G::breaker_dry_run,
     "Backends that fail are judged and reported as always, but traffic goes to them all the same; "
     "what an operator orders still holds."},
    {Backends, "breaker_hold", T::Time, "10", kReload, &G::breaker_hold,
     "How long new transactions are held back while no backend can take them, as in a failover, "
     "before they fail; 0 fails them at once."},
    {Backends, "degraded_below", T::Int, "50", kReload, &G::degraded_below,
     "Health, in percent, below which a backend is called DEGRADED; less than `up_from`.",
     kPercent},
    {Backends, "ejection_consecutive", T::Int, "5", kReload, &G::ejection_consecutive,
     "Failures in a row to reach a backend after which it is taken out; 0 does not count them.",
     kCount},
    {Backends, "ejection_failure_percent", T::Int, "50", kReload, &G::ejection_failure_percent,
     "Percentage of failures in the last 10 seconds at which a backend is taken out; 0 does not "
     "look at it.",
     kPercent},
    {Backends, "ejection_probes", T::Int, "3", kReload, &G::ejection_probes,
     "Failed probes in a row after which a backend is taken out; 0 does not count them.", kCount},
    {Backends, "ejection_samples_min", T::Int, "20", kReload, &G::ejection_samples_min,
     "Results within 10 seconds below which `ejection_failure_percent` is not looked at.",
     within(1, 1'000'000)},
    {Backends, "ejection_time", T::Time, "5", kReload, &G::ejection_time,
     "How long a backend is out the first time; each further time in a row adds as much.", kNone,
     kNoWords, above_zero},
    {Backends, "ejection_time_max", T::Time, "60", kReload, &G::ejection_time_max,
     "The longest that a backend is out before it is tried again.", kNone, kNoWords, above_zero},
    {Backends, "lag_hard", T::Time, "10", kReload, &G::lag_hard,
     "A replica that replays this much later than the primary writes gets no reads."},
    {Backends, "lag_hard_bytes", T::Size, "0", kReload, &G::lag_hard_bytes,
     "A replica that is this many bytes of WAL behind gets no reads; 0 does not look at bytes.",
     within(0, 1'000'000'000'000)},
    {Backends, "lag_soft", T::Time, "2", kReload, &G::lag_soft,
     "Up to here lag costs a replica nothing; from here to `lag_hard` it gets less and less."},
    {Backends, "load_balance", T::Word, "weighted_least_outstanding", kReload, &G::load_balance,
     "How one of several backends is chosen: by outstanding work, in turn, by chance, by response "
     "time and outstanding work, or the first in their order that has room.",
     kNone, kBalanceMethodWords},
    {Backends, "max_ejection_percent", T::Int, "50", kReload, &G::max_ejection_percent,
     "Percentage of the backends of one role that may be out at the same time; the last one never "
     "is.",
     kPercent},
    {Backends, "panic_threshold_percent", T::Int, "50", kReload, &G::panic_threshold_percent,
     "When fewer than this percentage of the backends are left, those taken out are used all the "
     "same; 0 never does so.",
     kPercent},
    {Backends, "patroni_interval", T::Time, "0.25", kReload, &G::patroni_interval,
     "Seconds between questions to the Patroni of a backend that has the key `patroni`.", kNone,
     kNoWords, above_zero},
    {Backends, "patroni_timeout", T::Time, "0.2", kReload, &G::patroni_timeout,
     "A Patroni without an answer by then is not waited for; nothing follows from that.", kNone,
     kNoWords, above_zero},
    {Backends, "primary_read_spill", T::Int, "30", kReload, &G::primary_read_spill,
     "Percentage of the primary's pool that reads may take when no replica can have them.",
     kPercent},
    {Backends, "probe_dbname", T::String, "postgres", kReload, &G::probe_dbname,
     "Database that probes connect to."},
    {Backends, "probe_interval", T::Time, "1", kReload, &G::probe_interval,
     "Seconds between probes of a backend that is well.", kNone, kNoWords, above_zero},
    {Backends, "probe_interval_fast", T::Time, "0.5", kReload, &G::probe_interval_fast,
     "Seconds between probes of a backend that is not well.", kNone, kNoWords, above_zero},
    {Backends, "probe_password", T::Secret, "", kReload, &G::probe_password,
     "Password of `probe_user`; empty takes the secret in `auth_file`."},
    {Backends, "probe_timeout", T::Time, "0.6", kReload, &G::probe_timeout,
     "A probe without an answer by then has failed; less than `probe_interval`.", kNone, kNoWords,
     above_zero},
    {Backends, "probe_user", T::String, "", kReload, &G::probe_user,
     "User that probes log in as; empty takes the forced user of the database entry if its secret "
     "is known in plain text, and else sends none: then nothing tells the lag of a backend."},
    {Backends, "read_write_split", T::Bool, "0", kReload, &G::read_write_split,
     "Send to replicas what is proven to read only: single statements, batches and BEGIN READ ONLY "
     "blocks of clients that want no certain backend, in transaction and statement pooling. The "
     "rest goes to the primary."},
    {Backends, "read_your_writes", T::Word, "time", kReload, &G::read_your_writes,
     "With read_write_split, what a session sees of its own writes: `time` reads from the primary "
     "for a while after one, `lsn` from replicas that have replayed it, `off` does not look.",
     kNone, kReadYourWritesWords},
    {Backends, "read_your_writes_time", T::Time, "5", kReload, &G::read_your_writes_time,
     "How long after a write `read_your_writes = time` reads from the primary."},
    {Backends, "slow_start", T::Time, "30", kReload, &G::slow_start,
     "Time in which a backend that has come back gets its full share again; 0 gives it at once."},
    {Backends, "target_session_attrs", T::Word, "any", kReload, &G::target_session_attrs,
     "Which backends will do for clients that do not say so themselves; libpq's words.", kNone,
     kTargetSessionAttrsWords},
    {Backends, "target_session_attrs_ports", T::List, "", kRestart, &G::target_session_attrs_ports,
     "More ports to listen on, each with the backends that its clients want: `6433:read-only, "
     "6434:primary`. Goes before what the database or user says, and after what the client says.",
     kNone, kNoWords, are_port_targets},
    {Backends, "up_from", T::Int, "70", kReload, &G::up_from,
     "Health, in percent, from which a backend that was DEGRADED is called UP again.", kPercent},
    {Backends, "zone", T::String, "", kReload, &G::zone,
     "Zone this process is in; backends with the same `zone` are preferred. Empty treats all "
     "alike."},
    {Backends, "zone_spill_factor", T::Int, "2", kReload, &G::zone_spill_factor,
     "The own zone is left when its best backend costs more than this many times the best one "
     "elsewhere; 0 treats all zones alike.",
     within(0, 100)},

    {Metrics, "metrics_listen", T::String, "", kReload, &G::metrics_listen,
     "Where /metrics, the status page, /healthz and /readyz are served by HTTP: a port, which is "
     "on "
     "127.0.0.1 only, or IPv4-ADDRESS:PORT (`*:9127` is every address); empty serves nothing.",
     kNone, kNoWords, is_metrics_address},
    {Metrics, "metrics_pools_max", T::Int, "100", kReload, &G::metrics_pools_max,
     "How many (database, user) have metrics of their own, about 130 series each; those that come "
     "when so many are there are told together as `_other`.",
     kCount},
    {Metrics, "metrics_tls_cert_file", T::String, "", kReload, &G::metrics_tls_cert_file,
     "Certificate, and the chain behind it, with which `metrics_listen` speaks HTTPS, and only "
     "that; empty: plain HTTP."},
    {Metrics, "metrics_tls_key_file", T::String, "", kReload, &G::metrics_tls_key_file,
     "Private key of `metrics_tls_cert_file`."},
    {Metrics, "metrics_token", T::Secret, "", kReload, &G::metrics_token,
     "What has to be shown for everything but /healthz and /readyz: as bearer token, or as "
     "password "
     "(of any user) by a browser; empty asks for nothing.",
     kNone, kNoWords, is_token},
    {Metrics, "metrics_token_file", T::String, "", kReload, &G::metrics_token_file,
     "File with that token, in place of `metrics_token`; blanks around it do not count."},
};

}  // namespace

std::span<const Option> option_table() {
    return kOptions;
}

const Option* find_option(std::string_view name) {
    for (const Option& option : kOptions) {
        if (name == option.name) return &option;
    }
    return nullptr;
}

const char* to_string(OptionSection section) {
    return section == OptionSection::Weir ? "weir" : "pgbouncer";
}

const char* to_string(OptionType type) {
    switch (type) {
        case T::Int: return "int";
        case T::Bool: return "bool";
        case T::Octal: return "octal";
        case T::Size: return "bytes";
        case T::Time: return "seconds";
        case T::String: return "text";
        case T::Secret: return "secret";
        case T::Word: return "word";
        case T::List: return "list";
    }
    return "unknown";  // uncovered: every enumerator is above
}

const char* to_string(OptionGroup group) {
    switch (group) {
        case Generic: return "Generic";
        case Pooling: return "Pooling and limits";
        case Protocol: return "Protocol";
        case Authentication: return "Authentication";
        case Logging: return "Logging";
        case Console: return "Console";
        case Checks: return "Server checks and timeouts";
        case ClientTls: return "TLS towards clients";
        case ServerTls: return "TLS towards servers";
        case Dangerous: return "Dangerous timeouts";
        case Network: return "Network";
        case OptionGroup::Weir: return "Options of [weir]";
        case OptionGroup::Leaks: return "Options of [weir]: leaks";
        case OptionGroup::Insight: return "Options of [weir]: query insight";
        case OptionGroup::Backends: return "Options of [weir]: many backends";
        case OptionGroup::Metrics: return "Options of [weir]: metrics and status page";
    }
    return "unknown";  // uncovered: every enumerator is above
}

}  // namespace weir
