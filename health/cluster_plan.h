// Cluster plan: which endpoints belong together.
//
// Database entries with the same set of backends are one cluster, and so are entries that share at
// least one: a server has one role and one timeline, whoever asks. A cluster of one endpoint that
// nobody wished a role for is not worth watching: whatever the verdict, there is no choice.
// Pure; allocates. Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "health/backend_spec.h"

namespace weir {

// One endpoint (host and port) of a cluster.
struct EndpointPlan {
    BackendSpec spec;                // of the first entry that lists it; wish and Patroni of any
    std::vector<std::string> names;  // by which an operator may call it
    bool has_wish_conflict = false;  // entries wish different roles; the first holds
};

struct ClusterPlan {
    std::string name;  // the databases, by comma
    std::vector<EndpointPlan> endpoints;
    std::optional<ProbeLogin> login;  // the first there is
    uint64_t system_identifier = 0;   // the first there is
};

// The clusters that are to be watched, in the order of their first entries.
[[nodiscard]] std::vector<ClusterPlan> plan_clusters(const HealthPlan& plan);

}  // namespace weir
