// BackendConfig: one PostgreSQL server as the operator describes it, from [backend:NAME], a line of
// [backends], or made of one host of a database. Everything that judges or chooses servers goes by
// these. Thread: any (a value).
#pragma once

#include <cstdint>
#include <string>

namespace weir {

// What the operator says the server is. Auto: the server itself is asked.
enum class BackendRole : uint8_t { Auto, Primary, Replica };

// Which servers will do; libpq's words.
enum class TargetSessionAttrs : uint8_t {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby
};

// How one of several servers that will do is chosen.
enum class LoadBalance : uint8_t {
    WeightedLeastOutstanding,
    WeightedRoundRobin,  // smooth, as nginx and HAProxy: no bursts to the heaviest
    Random,              // weighted
    PeakEwma,            // Finagle's: latency * (outstanding + 1), per effective weight
    First                // HAProxy's: in the order of the configuration, the next when one is full
};

// What a session may read of its own writes when its reads go to replicas.
enum class ReadYourWrites : uint8_t {
    Off,   // replicas may be older than its last write
    Time,  // for a while after a write its reads go to the primary, too
    Lsn    // they go to replicas that have replayed the write, else to the primary
};

const char* to_string(BackendRole role);
const char* to_string(TargetSessionAttrs attrs);
const char* to_string(LoadBalance method);
const char* to_string(ReadYourWrites mode);

struct BackendConfig {
    std::string name;  // as the file has it; else "host:port", "[::1]:port" or the socket's path
    std::string host;  // a name, an address, /dir or @abstract; never empty once loaded
    std::string zone;  // empty = unknown
    uint16_t port = 5432;
    int weight = 100;  // against the others of a database; 0 = no traffic of its own accord
    BackendRole role = BackendRole::Auto;
    int max_connections = 0;  // over all databases and users; 0 = unlimited
    std::string patroni;      // where its Patroni answers, as in patroni_url.h; empty = none

    bool operator==(const BackendConfig&) const = default;
};

// Same server, whatever else is said about it.
[[nodiscard]] inline bool is_same_endpoint(const BackendConfig& a, const BackendConfig& b) {
    return a.port == b.port && a.host == b.host;
}

}  // namespace weir
