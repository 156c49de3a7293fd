// The lines by which servers are named and chosen: a [backend:NAME] section (one key a line, plain
// values) or its short form, a line of [backends]; and the keys of [databases] that lead to
// servers. Who is meant by a name is settled in backend_sections. Thread: any (pure functions).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/entries.h"

namespace weir {

// A line of [backends]: a name and a connection string.
ParsedEntry<BackendConfig> parse_backend(std::string_view name, std::string_view text);

// The same line by line: begin at the header, one setting for each line.
ParsedEntry<BackendConfig> begin_backend(std::string_view name);
void set_backend(ParsedEntry<BackendConfig>& backend, std::string_view key, std::string_view value);

// What is still missing once all keys are read; empty when nothing is.
std::vector<std::string> missing_of(const BackendConfig& backend);

std::vector<EntryKeyInfo> backend_keys();

// Where its socket listens: "host:port", "[address]:port", or the path of the socket's file.
std::string endpoint_name(const BackendConfig& backend);

// `backends=a,b`: the names are kept as BackendConfigs that hold nothing else.
Status set_database_backends(DatabaseConfig& entry, std::string_view value);
// `port=` of a database: one, or as libpq has it one for each host.
Status set_database_ports(DatabaseConfig& entry, std::string_view value);
// What hosts, ports and backends of one entry say against each other.
void check_database_backends(ParsedEntry<DatabaseConfig>& parsed, const std::string& what);

// One backend for each host of an entry without `backends=`; one without hosts has its server
// behind the socket in `unix_socket_dir`. A host and port given twice is one backend of
// twice the weight.
std::vector<BackendConfig> backends_of_hosts(const DatabaseConfig& database,
                                             const std::string& unix_socket_dir);

}  // namespace weir
