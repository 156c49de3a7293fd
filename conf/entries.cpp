#include "conf/entries.h"

#include "conf/backend_entries.h"
#include "conf/entry_keys.h"
#include "conf/host.h"
#include "conf/limits.h"
#include "conf/words.h"

namespace weir {

namespace {

template <typename Entry>
Status set_hosts(Entry& entry, std::string_view value) {
    std::vector<std::string> hosts = split_list(value);
    if (hosts.empty()) return fail("22023", "names no host; give at least one");
    for (const std::string& host : hosts) {
        const size_t equals = is_unix_host(host) ? std::string::npos : host.find('=');
        if (equals != std::string::npos) {
            return fail("22023", fmt::format("commas part hosts, blanks part settings; put a blank "
                                             "in place of the comma before \"{}\"",
                                             host.substr(0, equals)));
        }
    }
    entry.hosts = std::move(hosts);
    return {};
}

Status set_auth_dbname(DatabaseConfig& entry, std::string_view value) {
    if (value == "pgbouncer" || value == "weir") {
        return fail("22023", "reserved for the console; name a database of [databases]");
    }
    return set_text<&DatabaseConfig::auth_dbname, kDatabaseNameBytesMax>(entry, value);
}

void put_startup_parameter(DatabaseConfig& entry, const char* name, std::string_view value) {
    for (auto& [known, text] : entry.startup_parameters) {
        if (known != name) continue;
        text = value;
        return;
    }
    entry.startup_parameters.emplace_back(name, value);
}

using D = DatabaseConfig;
using U = UserConfig;
using P = PeerConfig;
constexpr size_t kTextMax = std::numeric_limits<size_t>::max();

constexpr EntryKey<D> kDatabaseKeys[] = {
    {"host", set_hosts<D>,
     "Host names, addresses, `/directory` or `@abstract` sockets, comma separated; without it "
     "`unix_socket_dir`."},
    {"port", set_database_ports,
     "Port of every host, 5432 unless given; or a list, one port for each host."},
    {"backends", set_database_backends,
     "Names from [backends] or of [backend:NAME] sections, comma separated, in place of `host` and "
     "`port`; used in turn as a list of hosts is."},
    {"target_session_attrs",
     set_word<&D::target_session_attrs, TargetSessionAttrs, kTargetSessionAttrsWords, D>,
     "As the option, for this database."},
    {"load_balance", set_word<&D::load_balance, LoadBalance, kBalanceMethodWords, D>,
     "As the option, for this database."},
    {"pool_sizing", set_word<&D::pool_sizing, SizingMode, kSizingModeWords, D>,
     "As the option, for this database."},
    {"read_write_split", set_flag<&D::read_write_split, D>, "As the option, for this database."},
    {"zone", set_text<&D::zone, kZoneNameBytesMax, D>, "As the option, for this database."},
    {"dbname", set_text<&D::dbname, kDatabaseNameBytesMax, D>,
     "Name of the database on the server; unless given the name the client asked for."},
    {"user", set_text<&D::user, kUserNameBytesMax, D>,
     "User for all server connections, so that all clients share one pool."},
    {"password", set_text<&D::password, kPasswordBytesMax, D>,
     "Password for the server; without it the secret of the user in `auth_file`."},
    {"auth_user", set_text<&D::auth_user, kUserNameBytesMax, D>,
     "As the option, for this database."},
    {"auth_query", set_text<&D::auth_query, kTextMax, D>, "As the option, for this database."},
    {"auth_dbname", set_auth_dbname, "As the option, for this database."},
    {"pool_size", set_size<&D::pool_size, D>,
     "`default_pool_size` of this database; 0 is no limit."},
    {"min_pool_size", set_size<&D::min_pool_size, D>, "As the option, for this database."},
    {"reserve_pool_size", set_size<&D::reserve_pool_size, D>, "As the option, for this database."},
    {"reserve_pool", set_size<&D::reserve_pool_size, D>, "Older spelling of `reserve_pool_size`."},
    {"pool_mode", set_word<&D::pool_mode, PoolMode, kPoolModeWords, D>,
     "As the option, for this database."},
    {"max_db_connections", set_size<&D::max_db_connections, D>,
     "As the option, for this database."},
    {"max_db_client_connections", set_size<&D::max_db_client_connections, D>,
     "As the option, for this database."},
    {"server_lifetime", set_time<&D::server_lifetime, D>,
     "As the option, for this database; 0 means the option's."},
    {"query_wait_timeout", set_time<&D::query_wait_timeout, D>,
     "As the option, for this database; 0 means the option's."},
    {"connect_query", set_text<&D::connect_query, kTextMax, D>,
     "Query that a new server connection runs before its first client."},
    {"load_balance_hosts", set_word<&D::load_balance_hosts, LoadBalanceHosts, kLoadBalanceWords, D>,
     "`round-robin` takes the hosts in turn, `disable` keeps to one until it fails; where backends "
     "are judged, `disable` means `load_balance=first`."},
    {"client_encoding",
     [](D& entry, std::string_view value) {
         put_startup_parameter(entry, "client_encoding", value);
         return Status();
     },
     "Startup parameter for the server."},
    {"datestyle",
     [](D& entry, std::string_view value) {
         put_startup_parameter(entry, "datestyle", value);
         return Status();
     },
     "Startup parameter for the server."},
    {"timezone",
     [](D& entry, std::string_view value) {
         put_startup_parameter(entry, "timezone", value);
         return Status();
     },
     "Startup parameter for the server."},
    {"application_name",
     [](D& entry, std::string_view value) {
         put_startup_parameter(entry, "application_name", value);
         return Status();
     },
     "Startup parameter for the server."},
};

constexpr EntryKey<U> kUserKeys[] = {
    {"pool_mode", set_word<&U::pool_mode, PoolMode, kPoolModeWords, U>,
     "As the option, for pools of this user."},
    {"pool_size", set_size<&U::pool_size, U>,
     "`default_pool_size` for pools of this user; 0 is no limit."},
    {"reserve_pool_size", set_size<&U::reserve_pool_size, U>,
     "As the option, for pools of this user."},
    {"max_user_connections", set_size<&U::max_user_connections, U>,
     "As the option, for this user."},
    {"max_user_client_connections", set_size<&U::max_user_client_connections, U>,
     "As the option, for this user."},
    {"query_timeout", set_time<&U::query_timeout, U>,
     "As the option, for this user; 0 means the option's."},
    {"idle_transaction_timeout", set_time<&U::idle_transaction_timeout, U>,
     "As the option, for this user; 0 means the option's."},
    {"transaction_timeout", set_time<&U::transaction_timeout, U>,
     "As the option, for this user; 0 means the option's."},
    {"client_idle_timeout", set_time<&U::client_idle_timeout, U>,
     "As the option, for this user; 0 means the option's."},
    {"query_wait_timeout", set_time<&U::query_wait_timeout, U>,
     "As the option, for this user; 0 means the option's."},
    {"target_session_attrs",
     set_word<&U::target_session_attrs, TargetSessionAttrs, kTargetSessionAttrsWords, U>,
     "As the option, for this user."},
};

constexpr EntryKey<P> kPeerKeys[] = {
    {"host", set_hosts<P>, "Where the peer listens; required."},
    {"port", set_port<P>, "Its port; 6432 unless given."},
    {"pool_size", set_size<&P::pool_size, P>, "Cancel requests passed to it at the same time."},
};

}  // namespace

ParsedEntry<DatabaseConfig> parse_database(std::string_view name, std::string_view text) {
    ParsedEntry<DatabaseConfig> parsed;
    check_name(name, kDatabaseNameBytesMax, parsed);
    if (name == "pgbouncer" || name == "weir") {
        parsed.problems.push_back(
            fmt::format("the name \"{}\" is reserved for the console; choose another for the entry "
                        "and keep the "
                        "server's with dbname=",
                        name));
    }
    parsed.entry.name = name;
    const std::string what = fmt::format("database \"{}\"", name);
    read_settings<DatabaseConfig>(kDatabaseKeys, text, what, parsed);
    check_database_backends(parsed, what);
    if (parsed.entry.dbname.empty() && name != "*") parsed.entry.dbname = name;
    return parsed;
}

ParsedEntry<UserConfig> parse_user(std::string_view name, std::string_view text) {
    ParsedEntry<UserConfig> parsed;
    check_name(name, kUserNameBytesMax, parsed);
    parsed.entry.name = name;
    read_settings<UserConfig>(kUserKeys, text, fmt::format("user \"{}\"", name), parsed);
    return parsed;
}

ParsedEntry<PeerConfig> parse_peer(std::string_view id, std::string_view text) {
    ParsedEntry<PeerConfig> parsed;
    const Result<int64_t> number = parse_integer(id, 10, 1, kPeerIdMax);
    if (!number) {
        parsed.problems.push_back(
            fmt::format("invalid peer id \"{}\": {}", id, number.error().message));
    }
    parsed.entry.id = static_cast<int>(number.value_or(0));
    read_settings<PeerConfig>(kPeerKeys, text, fmt::format("peer {}", id), parsed);
    if (parsed.problems.empty() && parsed.entry.hosts.empty()) {
        parsed.problems.push_back(fmt::format("peer {}: has no host; add host=", id));
    }
    return parsed;
}

std::vector<EntryKeyInfo> database_keys() {
    return infos<DatabaseConfig>(kDatabaseKeys);
}

std::vector<EntryKeyInfo> user_keys() {
    return infos<UserConfig>(kUserKeys);
}

std::vector<EntryKeyInfo> peer_keys() {
    return infos<PeerConfig>(kPeerKeys);
}

}  // namespace weir
