#include "health/cluster_plan.h"

#include <algorithm>
#include <utility>

namespace weir {

namespace {

bool is_same_endpoint(const BackendSpec& a, const BackendSpec& b) {
    return a.host == b.host && a.port == b.port;
}

EndpointPlan* find(ClusterPlan& cluster, const BackendSpec& spec) {
    for (EndpointPlan& endpoint : cluster.endpoints) {
        if (is_same_endpoint(endpoint.spec, spec)) return &endpoint;
    }
    return nullptr;
}

void add(ClusterPlan& cluster, const EndpointPlan& added) {
    EndpointPlan* known = find(cluster, added.spec);
    if (known == nullptr) {
        cluster.endpoints.push_back(added);
        return;
    }
    for (const std::string& name : added.names) {
        if (std::find(known->names.begin(), known->names.end(), name) == known->names.end()) {
            known->names.push_back(name);
        }
    }
    if (known->spec.patroni.empty()) known->spec.patroni = added.spec.patroni;
    const RoleWish wish = added.spec.role;
    if (known->spec.role == RoleWish::Auto) {
        known->spec.role = wish;
    } else if (wish != RoleWish::Auto && wish != known->spec.role) {
        known->has_wish_conflict = true;
    }
}

ClusterPlan to_plan(const ClusterSpec& spec) {
    ClusterPlan cluster{spec.name, {}, spec.login, spec.system_identifier};
    for (const BackendSpec& backend : spec.backends)
        add(cluster, {backend, {backend.name}, false});
    return cluster;
}

bool share_endpoint(ClusterPlan& a, const ClusterPlan& b) {
    return std::any_of(b.endpoints.begin(), b.endpoints.end(), [&a](const EndpointPlan& endpoint) {
        return find(a, endpoint.spec) != nullptr;
    });
}

void merge(ClusterPlan& into, const ClusterPlan& other) {
    into.name += "," + other.name;
    if (!into.login) into.login = other.login;
    if (into.system_identifier == 0) into.system_identifier = other.system_identifier;
    for (const EndpointPlan& endpoint : other.endpoints)
        add(into, endpoint);
}

bool is_worth_watching(const ClusterPlan& cluster) {
    if (cluster.endpoints.size() > 1) return true;
    return !cluster.endpoints.empty() && cluster.endpoints[0].spec.role != RoleWish::Auto;
}

}  // namespace

std::vector<ClusterPlan> plan_clusters(const HealthPlan& plan) {
    std::vector<ClusterPlan> clusters;
    for (const ClusterSpec& spec : plan.clusters) {
        ClusterPlan next = to_plan(spec);
        // It may bridge clusters that had nothing in common so far.
        auto home = clusters.end();
        for (auto it = clusters.begin(); it != clusters.end();) {
            if (!share_endpoint(*it, next)) {
                ++it;
            } else if (home == clusters.end()) {
                home = it++;
            } else {
                merge(*home, *it);
                it = clusters.erase(it);  // behind home: home stays valid
            }
        }
        if (home == clusters.end()) {
            clusters.push_back(std::move(next));
        } else {
            merge(*home, next);
        }
    }
    std::erase_if(clusters, [](const ClusterPlan& cluster) { return !is_worth_watching(cluster); });
    return clusters;
}

}  // namespace weir
