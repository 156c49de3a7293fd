// The most server connections that a configuration can come to, for each server. Thread: main (pure
// functions).
#pragma once

#include <string>
#include <vector>

#include "conf/config.h"

namespace weir {

// What PostgreSQL's default of max_connections leaves beside the connections kept for superusers.
constexpr long kUsualConnections = 97;
constexpr long kUnlimited = -1;

struct BackendLoad {
    std::string name;      // as databases name it
    std::string endpoint;  // "host:port", or the socket's path
    long connections = 0;  // kUnlimited: nothing limits them
    int limit = 0;         // max_connections of the backend in our configuration; 0 = none
    // More are possible: databases of `*`, or users that no file names.
    bool is_open_ended = false;
    std::vector<std::string> databases;
};

// What one database may open: its pools at their largest, within max_db_connections.
long worst_case_of(const Config& config, const DatabaseConfig& database);

// Of each server, in the order in which the databases name them.
std::vector<BackendLoad> worst_case(const Config& config);

// Users that the files know; at least 1.
long known_users(const Config& config);
// May users come that no file names?
bool has_unknown_users(const Config& config, const DatabaseConfig& database);

}  // namespace weir
