// HealthCluster: what breakers take away, and what operators make of them.
#include <algorithm>

#include "health/cluster.h"
#include "health/ejection_guard.h"

namespace weir {

namespace {

// Whose failure it was. Of what ends a connection only a log-in says that it was one.
bool is_of_connects(Outcome outcome) {
    switch (outcome) {
        case Outcome::ConnectRefused:
        case Outcome::ConnectTimeout:
        case Outcome::TlsFailure:
        case Outcome::LoginTimeout:
        case Outcome::ServerShuttingDown:
        case Outcome::ServerStarting: return true;
        default: return false;
    }
}

BreakerState state_of(BreakerForce force) {
    return force == BreakerForce::Open ? BreakerState::Open : BreakerState::Closed;
}

BreakerState state_of(HealthState state) {
    if (state == HealthState::Ejected) return BreakerState::Open;
    return state == HealthState::HalfOpen ? BreakerState::HalfOpen : BreakerState::Closed;
}

}  // namespace

// An endpoint that is out altogether has nothing to add: its trials need connections.
void HealthCluster::count_connects(HealthMember& member, uint64_t logins, Instant now,
                                   HealthChanges& changes) const {
    if (is_out_by_verdict(member.health->state())) return;
    note_breaker(member, member.connects->on_successes(logins, now), changes);
}

void HealthCluster::count_failure(HealthMember& member, Outcome outcome, Instant now,
                                  HealthChanges& changes) const {
    if (is_out_by_verdict(member.health->state()) || !is_of_connects(outcome)) return;
    note_breaker(member, member.connects->on_failure(outcome, now), changes);
}

void HealthCluster::force_breakers(size_t index, BreakerForce force, Instant now,
                                   HealthChanges& changes) {
    HealthMember& member = members_[index];
    if (member.force == force) return;
    const BreakerState before = row_of_queries(member).state;
    member.force = force;
    member.forced_at = now;
    note_breaker(member,
                 BreakerTransition{before, row_of_queries(member).state, now,
                                   force == BreakerForce::None ? "no longer forced by the operator"
                                                               : "forced by the operator"},
                 changes);
}

void HealthCluster::reset_breakers(size_t index, Instant now, HealthChanges& changes) {
    force_breakers(index, BreakerForce::None, now, changes);
    HealthMember& member = members_[index];
    note_breaker(member, member.connects->reset(now, "reset by the operator"), changes);
    const auto transition = member.health->pardon(now, "reset by the operator");
    if (transition) note(HealthEvent::Kind::State, member, *transition, changes);
}

bool HealthCluster::ignores_failures(const HealthMember& member) const {
    return options_.breaker_dry_run || member.force == BreakerForce::Closed ||
           is_panic(counts_of(group_of(member)), options_);
}

// Automatic ones follow the rule of ejection, never the last of a role: somebody else of the role
// has to be there who may be connected to. The tries that are then made, each pool's login back-off
// keeps few.
bool HealthCluster::is_connect_open(const HealthMember& member) const {
    if (member.force != BreakerForce::None) return member.force == BreakerForce::Open;
    const bool is_tripped = member.connects->state() == BreakerState::Open;
    if (!is_tripped || options_.breaker_dry_run || !is_eligible(member.health->state())) {
        return false;
    }
    const Role group = group_of(member);
    return std::any_of(members_.begin(), members_.end(), [&](const HealthMember& other) {
        const bool is_there = is_eligible(usable_state(other)) && group_of(other) == group;
        const bool is_reachable =
            other.force == BreakerForce::Closed || other.connects->state() != BreakerState::Open;
        return &other != &member && is_there && is_reachable;
    });
}

HealthState HealthCluster::usable_state(const HealthMember& member) {
    return member.force == BreakerForce::Open ? HealthState::Draining : member.health->state();
}

BreakerRow HealthCluster::row_of_queries(const HealthMember& member) const {
    BreakerRow row;
    row.operation = BreakerOperation::Query;
    row.opened = member.health->ejections();
    if (member.force != BreakerForce::None) return forced_row(member, std::move(row));
    const HealthState state = member.health->state();
    row.state = state_of(state);
    if (row.state == BreakerState::Closed) return row;
    row.is_in_force = !ignores_failures(member);
    row.why = member.health->reason();
    row.since = member.health->since();
    if (state == HealthState::Ejected) row.open_until = member.health->ejected_until();
    return row;
}

BreakerRow HealthCluster::row_of_connects(const HealthMember& member) const {
    const bool is_out = is_out_by_verdict(member.health->state());
    BreakerRow row = is_out ? row_of_queries(member) : BreakerRow();
    row.operation = BreakerOperation::Connect;
    row.opened = member.connects->opened();
    if (member.force != BreakerForce::None) return forced_row(member, std::move(row));
    row.state = is_out ? row.state : member.connects->state();
    if (is_out || row.state == BreakerState::Closed) return row;
    row.is_in_force = is_connect_open(member);
    row.why = member.connects->last().reason;
    row.since = member.connects->last().at;
    if (row.state == BreakerState::Open) row.open_until = member.connects->open_until();
    return row;
}

BreakerRow HealthCluster::forced_row(const HealthMember& member, BreakerRow row) {
    row.state = state_of(member.force);
    row.is_forced = true;
    row.is_in_force = member.force == BreakerForce::Open;
    row.why = "forced by the operator";
    row.since = member.forced_at;
    row.open_until = Instant();
    return row;
}

void HealthCluster::note_breaker(const HealthMember& member,
                                 const std::optional<BreakerTransition>& transition,
                                 HealthChanges& changes) const {
    if (!transition) return;
    HealthEvent event;
    event.kind = HealthEvent::Kind::Breaker;
    event.at = transition->at;
    event.backend = member.plan.spec.name;
    event.address = member.endpoint->address();
    event.from = to_text(transition->from);
    event.to = to_text(transition->to);
    event.reason = transition->reason;
    event.is_alert = true;
    changes.events.push_back(std::move(event));
}

}  // namespace weir
