#include "health/registry.h"

#include <algorithm>
#include <cmath>

namespace weir {

namespace {

tl::unexpected<Error> no_such_backend(std::string_view name) {
    return fail("42704", "no such backend: \"" + std::string(name) +
                             "\"; SHOW BACKENDS lists those there are");
}

}  // namespace

// --- configuration

void HealthRegistry::configure(const HealthPlan& plan, Instant now) {
    std::vector<std::unique_ptr<HealthCluster>> before = std::exchange(clusters_, {});
    places_.clear();
    Known known;
    for (size_t i = 0; i < before.size(); ++i) {
        for (HealthMember& member : before[i]->release_members()) {
            const Endpoint* endpoint = member.endpoint;
            known.emplace(endpoint, std::make_pair(std::move(member), i));
        }
    }
    for (const ClusterPlan& cluster : plan_clusters(plan))
        add_cluster(cluster, plan.options, known, before, now);
    for (auto& [endpoint, left] : known) {
        notice(left.first, "no longer watched", false, now);
        left.first.endpoint->cancel_trial();
        left.first.endpoint->set_weight(std::nullopt);
        if (left.first.endpoint->publish(EndpointVerdict(), EndpointPosition())) {
            pending_.routes_changed = true;
        }
    }
}

void HealthRegistry::add_cluster(const ClusterPlan& plan, const HealthOptions& options,
                                 Known& known,
                                 const std::vector<std::unique_ptr<HealthCluster>>& before,
                                 Instant now) {
    const HealthCluster* inherited = nullptr;
    std::vector<HealthMember> members;
    for (const EndpointPlan& endpoint : plan.endpoints) {
        const auto it = known.find(&table_.obtain(endpoint.spec.host, endpoint.spec.port));
        if (it != known.end() && inherited == nullptr) inherited = before[it->second.second].get();
        members.push_back(make_member(endpoint, options, known, now));
    }
    auto cluster = std::make_unique<HealthCluster>(plan, std::move(members), options);
    cluster->inherit(inherited);
    for (size_t i = 0; i < cluster->members().size(); ++i) {
        const HealthMember& member = cluster->members()[i];
        places_[member.endpoint] = {clusters_.size(), i};
        if (member.plan.has_wish_conflict) {
            notice(member, "databases disagree about its configured role: the first one holds",
                   true, now);
        }
        if (!cluster->login() && !member.plan.spec.patroni.empty()) {
            notice(member,
                   "its Patroni is not asked, since there are no probes that it could hurry; set "
                   "probe_user",
                   true, now);
        }
    }
    clusters_.push_back(std::move(cluster));
}

void HealthRegistry::notice(const HealthMember& member, std::string text, bool is_alert,
                            Instant now) {
    HealthEvent event;
    event.kind = HealthEvent::Kind::Notice;
    event.at = now;
    event.backend = member.plan.spec.name;
    event.address = member.endpoint->address();
    event.reason = std::move(text);
    event.is_alert = is_alert;
    pending_.events.push_back(std::move(event));
}

HealthMember HealthRegistry::make_member(const EndpointPlan& plan, const HealthOptions& options,
                                         Known& known, Instant now) {
    Endpoint& endpoint = table_.obtain(plan.spec.host, plan.spec.port);
    HealthMember member;
    if (auto node = known.extract(&endpoint)) {
        member = std::move(node.mapped().first);
        member.health->configure(options);
        member.connects->configure(options);
    } else {
        member.endpoint = &endpoint;
        member.health = std::make_unique<EndpointHealth>(options, random_, now);
        member.connects = std::make_unique<CircuitBreaker>(options, random_);
        (void)endpoint.drain();  // of a time when somebody else watched, or nobody
    }
    if (member.plan.spec.patroni != plan.spec.patroni) member.patroni = PatroniWord();
    member.plan = plan;
    endpoint.publish_options(options);
    return member;
}

// --- evidence and verdicts

HealthChanges HealthRegistry::apply(Instant now) {
    for (const auto& cluster : clusters_) {
        for (size_t i = 0; i < cluster->members().size(); ++i)
            cluster->drain_intake(i, now, pending_);
        cluster->tick(now, pending_);
        cluster->judge_roles(now, pending_);
        if (cluster->publish()) pending_.routes_changed = true;
    }
    HealthChanges changes = std::exchange(pending_, {});
    remember(changes.events);
    return changes;
}

void HealthRegistry::on_probe(const Endpoint& endpoint, const ProbeReport& report, Instant now) {
    if (const auto place = find(endpoint)) {
        clusters_[place->cluster]->on_probe(place->member, report, now, pending_);
    }
}

void HealthRegistry::on_evidence_lost(const Endpoint& endpoint, Instant now) {
    if (const auto place = find(endpoint)) clusters_[place->cluster]->revoke(place->member, now);
}

// --- for the prober

std::vector<ProbeTarget> HealthRegistry::probe_targets() const {
    std::vector<ProbeTarget> targets;
    for (const auto& cluster : clusters_) {
        if (!cluster->login()) continue;
        for (const HealthMember& member : cluster->members())
            targets.push_back({member.endpoint, *cluster->login()});
    }
    return targets;
}

uint64_t HealthRegistry::primary_lsn(const Endpoint& endpoint) const {
    const auto place = find(endpoint);
    return place ? clusters_[place->cluster]->primary_lsn() : 0;
}

Duration HealthRegistry::next_probe_pause(const Endpoint& endpoint, bool was_good, Instant now) {
    const auto place = find(endpoint);
    if (!place) return std::chrono::seconds(1);
    return clusters_[place->cluster]->next_probe_pause(place->member, was_good, now, random_);
}

bool HealthRegistry::take_hurry(const Endpoint& endpoint) {
    const auto place = find(endpoint);
    if (!place) return false;
    return std::exchange(clusters_[place->cluster]->members()[place->member].is_hurried, false);
}

// --- for the watch on Patroni

std::vector<PatroniTarget> HealthRegistry::patroni_targets() const {
    std::vector<PatroniTarget> targets;
    for (const auto& cluster : clusters_) {
        if (!cluster->login()) continue;
        for (const HealthMember& member : cluster->members()) {
            const std::string& url = member.plan.spec.patroni;
            if (!url.empty()) targets.push_back({member.endpoint, url});
        }
    }
    return targets;
}

void HealthRegistry::on_patroni(const Endpoint& endpoint, const Result<PatroniAnswer>& said,
                                Instant now) {
    if (const auto place = find(endpoint)) {
        clusters_[place->cluster]->on_patroni(place->member, said, now, pending_);
    }
}

Duration HealthRegistry::next_patroni_pause(const Endpoint& endpoint) {
    const auto place = find(endpoint);
    if (!place) return std::chrono::seconds(1);
    return clusters_[place->cluster]->next_patroni_pause(place->member, random_);
}

// --- the operator's

Status HealthRegistry::give(Order order, std::string_view name, Instant now) {
    const auto place = find(name);
    if (!place) return no_such_backend(name);
    HealthCluster& cluster = *clusters_[place->cluster];
    HealthMember& member = cluster.members()[place->member];
    std::optional<Transition> transition;
    switch (order) {
        case Order::Drain: transition = member.health->set_draining(now, "operator"); break;
        case Order::Down: transition = member.health->set_down(now, "operator"); break;
        case Order::Enable: transition = member.health->enable(now, "operator"); break;
        case Order::ResetRoles: cluster.reset_roles(); break;
        case Order::BreakerOpen:
            cluster.force_breakers(place->member, BreakerForce::Open, now, pending_);
            break;
        case Order::BreakerClose:
            cluster.force_breakers(place->member, BreakerForce::Closed, now, pending_);
            break;
        case Order::BreakerReset: cluster.reset_breakers(place->member, now, pending_); break;
    }
    if (transition) cluster.note(HealthEvent::Kind::State, member, *transition, pending_);
    return {};
}

Status HealthRegistry::reweight(std::string_view name, std::optional<double> weight) {
    if (weight && !(*weight >= 0 && *weight <= 1e6)) {
        return fail("22023", "weight must be between 0 and 1000000");
    }
    const auto place = find(name);
    if (!place) return no_such_backend(name);
    clusters_[place->cluster]->members()[place->member].endpoint->set_weight(weight);
    pending_.routes_changed = true;
    return {};
}

HealthSnapshot HealthRegistry::snapshot(Instant now) const {
    HealthSnapshot snapshot;
    snapshot.at = now;
    for (const auto& cluster : clusters_) {
        for (size_t i = 0; i < cluster->members().size(); ++i)
            snapshot.backends.push_back(cluster->row(i));
    }
    snapshot.events.assign(events_.begin(), events_.end());
    return snapshot;
}

// --- look-ups

std::optional<HealthRegistry::Place> HealthRegistry::find(const Endpoint& endpoint) const {
    const auto it = places_.find(&endpoint);
    if (it == places_.end()) return std::nullopt;
    return it->second;
}

std::optional<HealthRegistry::Place> HealthRegistry::find(std::string_view name) const {
    for (const auto& [endpoint, place] : places_) {
        const HealthMember& member = clusters_[place.cluster]->members()[place.member];
        const auto& names = member.plan.names;
        if (std::find(names.begin(), names.end(), name) != names.end()) return place;
        if (endpoint->address() == name) return place;
    }
    return std::nullopt;
}

void HealthRegistry::remember(const std::vector<HealthEvent>& events) {
    for (const HealthEvent& event : events) {
        events_.push_back(event);
        if (events_.size() > kEventsMax) events_.pop_front();
    }
}

}  // namespace weir
