// What the operator asked for, as far as health is concerned: the backends of each database, the
// log-in of the probes, the thresholds. The one place where configuration becomes health's input:
// whoever knows Config (the control thread, at start and RELOAD) fills a HealthPlan from it; this
// room reads nothing else of it.
// Thread: any (values).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "health/health_options.h"
#include "protocol/auth/secret.h"

namespace weir {

enum class RoleWish : uint8_t { Auto, Primary, Replica };

struct BackendSpec {
    std::string name;  // for console and log; unique among the backends of a plan
    std::string host;  // a name, an address, or a socket's folder
    uint16_t port = 5432;
    double weight = 1;  // 0 = nothing new
    RoleWish role = RoleWish::Auto;
    std::string zone;
    uint32_t max_connections = 0;  // 0 = no limit
    std::string patroni;           // where its Patroni answers; empty = it has none

    bool operator==(const BackendSpec&) const = default;
};

// How a probe logs in. An ordinary role without privileges is enough (see probe_query.h).
struct ProbeLogin {
    std::string user;
    std::string dbname = "postgres";
    SecretString password;  // empty = none is sent, unless libpq finds a ~/.pgpass
    std::string sslmode = "prefer";
    std::string sslrootcert;
    std::string sslcert, sslkey;  // ours; empty = libpq's own, if there are any

    bool operator==(const ProbeLogin&) const = default;
};

// One database entry.
struct ClusterSpec {
    std::string name;  // the database's, for messages
    std::vector<BackendSpec> backends;
    std::optional<ProbeLogin> login;  // none = no probes, traffic is the only witness
    uint64_t system_identifier = 0;   // expected; 0 = that of the first evidence
};

struct HealthPlan {
    std::vector<ClusterSpec> clusters;
    HealthOptions options;
};

}  // namespace weir
