#include "conf/backend_entries.h"

#include "conf/entry_keys.h"
#include "conf/host.h"
#include "conf/limits.h"
#include "conf/patroni_url.h"
#include "conf/words.h"

namespace weir {

namespace {

Status set_backend_host(BackendConfig& entry, std::string_view value) {
    if (value.empty()) return fail("22023", "names no host; give one");
    if (!is_unix_host(value) && value.find_first_of(", \t") != std::string_view::npos) {
        return fail("22023", "a backend is one host; give each host a backend of its own");
    }
    entry.host = value;
    return {};
}

Status set_backend_patroni(BackendConfig& entry, std::string_view value) {
    Result<std::string> url = parse_patroni_url(value);
    if (!url) return fail("22023", url.error().message);
    entry.patroni = std::move(*url);
    return {};
}

using B = BackendConfig;

constexpr EntryKey<B> kBackendKeys[] = {
    {"host", set_backend_host,
     "One host name, address, `/directory` or `@abstract` socket; required."},
    {"port", set_port<B>, "Its port; 5432 unless given."},
    {"weight", set_number<&B::weight, 0, kBackendWeightMax, B>,
     "Its share of the work against the other backends of a database, 0 to 10000; 100 unless "
     "given, 0 gets no traffic of its own accord."},
    {"role", set_word<&B::role, BackendRole, kBackendRoleWords, B>,
     "`primary`, `replica`, or `auto`, which asks the server; `auto` unless given."},
    {"zone", set_text<&B::zone, kZoneNameBytesMax, B>,
     "Where it is; compared with the option `zone`. Unknown unless given."},
    {"max_connections", set_number<&B::max_connections, 0, std::numeric_limits<int32_t>::max(), B>,
     "Server connections to it over all databases and users; 0, which is no limit, unless given."},
    {"patroni", set_backend_patroni,
     "Where its Patroni answers, as in `http://10.0.0.1:8008`: what changes there makes all "
     "servers be probed at once. It decides nothing. None unless given."},
};

std::string title(const BackendConfig& backend) {
    return fmt::format("backend \"{}\"", backend.name);
}

// Names stand in lists, on the console and in metrics, so they hold nothing that would need quotes
// there, and nothing (`:` or `/`) that the name of an unnamed backend always holds.
void check_backend_name(ParsedEntry<BackendConfig>& parsed) {
    constexpr std::string_view kAllowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    const std::string& name = parsed.entry.name;
    if (name.empty()) {
        parsed.problems.emplace_back(
            "the name of the backend is empty; give one, as in [backend:pg1] or pg1 = host=...");
    } else if (name.size() > kBackendNameBytesMax) {
        parsed.problems.push_back(fmt::format("the name \"{}\" is too long; at most {} bytes",
                                              name.substr(0, kBackendNameBytesMax),
                                              kBackendNameBytesMax));
    } else if (name.find_first_not_of(kAllowed) != std::string::npos) {
        parsed.problems.push_back(fmt::format(
            "the name \"{}\" is not one of a backend; use letters, digits and _ . - only", name));
    }
}

}  // namespace

std::string endpoint_name(const BackendConfig& backend) {
    if (is_unix_host(backend.host)) return unix_socket_path(backend.host, backend.port);
    const bool is_ipv6 = backend.host.find(':') != std::string::npos;
    const std::string host = is_ipv6 ? "[" + backend.host + "]" : backend.host;
    return fmt::format("{}:{}", host, backend.port);
}

ParsedEntry<BackendConfig> begin_backend(std::string_view name) {
    ParsedEntry<BackendConfig> parsed;
    parsed.entry.name = name;
    check_backend_name(parsed);
    return parsed;
}

void set_backend(ParsedEntry<BackendConfig>& backend, std::string_view key,
                 std::string_view value) {
    read_setting<BackendConfig>(kBackendKeys, key, value, title(backend.entry), backend);
}

ParsedEntry<BackendConfig> parse_backend(std::string_view name, std::string_view text) {
    ParsedEntry<BackendConfig> parsed = begin_backend(name);
    read_settings<BackendConfig>(kBackendKeys, text, title(parsed.entry), parsed);
    return parsed;
}

std::vector<std::string> missing_of(const BackendConfig& backend) {
    if (!backend.host.empty()) return {};
    return {title(backend) + ": has no host; add host="};
}

std::vector<EntryKeyInfo> backend_keys() {
    return infos<BackendConfig>(kBackendKeys);
}

Status set_database_backends(DatabaseConfig& entry, std::string_view value) {
    const std::vector<std::string> names = split_list(value);
    if (names.empty()) return fail("22023", "names no backend; give at least one");
    if (names.size() > kBackendsMax) {
        return fail("22023", fmt::format("{} backends are too many; give at most {}", names.size(),
                                         kBackendsMax));
    }
    std::vector<BackendConfig> backends;
    for (const std::string& name : names) {
        if (std::count(names.begin(), names.end(), name) > 1) {
            return fail(
                "22023",
                fmt::format("names \"{}\" more than once; give it more weight instead", name));
        }
        backends.emplace_back().name = name;
    }
    entry.backends = std::move(backends);
    entry.has_named_backends = true;
    return {};
}

Status set_database_ports(DatabaseConfig& entry, std::string_view value) {
    if (value.find(',') == std::string_view::npos) {
        entry.ports.clear();
        return set_port(entry, value);
    }
    std::vector<uint16_t> ports;
    for (const std::string& item : split_list(value)) {
        const Result<int64_t> port = parse_integer(item, 10, 1, 65535);
        if (!port) return fail("22023", port.error().message);
        ports.push_back(static_cast<uint16_t>(*port));
    }
    if (ports.empty()) return fail("22023", "names no port; give one, or one for each host");
    entry.port = ports.front();
    if (ports.size() == 1) ports.clear();
    entry.ports = std::move(ports);
    return {};
}

void check_database_backends(ParsedEntry<DatabaseConfig>& parsed, const std::string& what) {
    DatabaseConfig& entry = parsed.entry;
    if (entry.has_named_backends && !entry.hosts.empty()) {
        parsed.problems.push_back(what +
                                  ": has both host and backends; keep backends=, whose entries say "
                                  "where they are, or host=");
        return;
    }
    const size_t hosts = std::max<size_t>(entry.hosts.size(), 1);
    if (hosts > kHostsMax) {
        parsed.problems.push_back(
            fmt::format("{}: has {} hosts; give at most {}", what, hosts, kHostsMax));
    }
    const bool has_ports = entry.port != DatabaseConfig().port || !entry.ports.empty();
    if (entry.has_named_backends && has_ports) {
        parsed.problems.push_back(what +
                                  ": has both port and backends; give each backend its own port=");
    } else if (!entry.ports.empty() && entry.ports.size() != hosts) {
        parsed.problems.push_back(
            fmt::format("{}: has {} ports for {} host{}; give one port, or one for each host", what,
                        entry.ports.size(), hosts, hosts == 1 ? "" : "s"));
    }
}

std::vector<BackendConfig> backends_of_hosts(const DatabaseConfig& database,
                                             const std::string& unix_socket_dir) {
    std::vector<std::string> hosts = database.hosts;
    if (hosts.empty()) hosts.push_back(unix_socket_dir.empty() ? "/tmp" : unix_socket_dir);
    std::vector<BackendConfig> backends;
    for (size_t i = 0; i < hosts.size(); ++i) {
        BackendConfig backend;
        backend.host = hosts[i];
        backend.port = i < database.ports.size() ? database.ports[i] : database.port;
        backend.name = endpoint_name(backend);
        const auto known = std::find_if(
            backends.begin(), backends.end(),
            [&backend](const BackendConfig& other) { return is_same_endpoint(backend, other); });
        if (known == backends.end()) {
            backends.push_back(std::move(backend));
        } else {  // PgBouncer gives a host that is listed twice two turns
            known->weight = std::min(known->weight + backend.weight, kBackendWeightMax);
        }
    }
    return backends;
}

}  // namespace weir
