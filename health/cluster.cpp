#include "health/cluster.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "health/ejection_guard.h"
#include "health/jitter.h"
#include "protocol/base/check.h"

namespace weir {

namespace {

// So long all endpoints are probed fast when the primary is missing: a promotion is then noticed
// within half a second. After that, a cluster may well have none.
constexpr Duration kSearchTime = std::chrono::seconds(60);

// After a refused log-in: each one leaves a line in the server's log.
constexpr Duration kRefusedPause = std::chrono::seconds(10);

constexpr const char* kSplit = "several servers claim to be the primary: writes go to none";
constexpr const char* kFenced =
    "a server claims to be the primary on an old timeline: it gets no traffic";
constexpr const char* kForeign = "a server has another system identifier: it gets no traffic";
constexpr const char* kDisputed =
    "servers have different system identifiers and none is the one that most have: none gets "
    "traffic; remove those of another cluster and RELOAD";
constexpr const char* kPanic =
    "so few backends of a role are well that failures are ignored (panic)";

RoleOptions role_options(const HealthOptions& options, uint64_t system_identifier) {
    return {.probe_interval = options.probe_interval, .system_identifier = system_identifier};
}

}  // namespace

HealthCluster::HealthCluster(const ClusterPlan& plan, std::vector<HealthMember> members,
                             const HealthOptions& options)
    : name_(plan.name),
      login_(plan.login),
      members_(std::move(members)),
      options_(options),
      judge_(role_options(options, plan.system_identifier), members_.size()) {}

void HealthCluster::inherit(const HealthCluster* before) {
    if (before != nullptr) {
        judge_.inherit(before->judge_);
        alerts_ = before->alerts_;
        has_primary_ = before->has_primary_;
        primary_missing_since_ = before->primary_missing_since_;
    }
    for (size_t i = 0; i < members_.size(); ++i) {
        if (members_[i].last_good.outcome == Outcome::Success) {
            judge_.on_probe(i, members_[i].last_good);
        }
        if (!members_[i].revoked_at.is_never()) judge_.revoke(i, members_[i].revoked_at);
    }
}

// --- evidence

void HealthCluster::drain_intake(size_t index, Instant now, HealthChanges& changes) {
    HealthMember& member = members_[index];
    const Intake::Batch batch = member.endpoint->drain();
    if (batch.successes > 0) member.health->on_successes(batch.successes, now);
    count_connects(member, batch.logins, now, changes);
    if (batch.latencies > 0) {
        member.health->on_latencies(batch.latency_mean_log, batch.latencies, now);
    }
    for (const IntakeEvent& event : batch.events)
        on_event(index, event, now, changes);
}

void HealthCluster::on_event(size_t index, const IntakeEvent& event, Instant now,
                             HealthChanges& changes) {
    HealthMember& member = members_[index];
    if (event.kind == IntakeEvent::Kind::HotStandby) {
        on_hot_standby(member, event.is_standby, event.at);
        if (event.is_standby) revoke(index, event.at);
        return;
    }
    if (event.outcome == Outcome::NotPrimary) {
        member.doubted_at = event.at;
        revoke(index, event.at);
    }
    // What broke may be the server: do not wait for the next probe to find out.
    const Evidence evidence = evidence_of(event.outcome);
    if (evidence == Evidence::LocalFailure || evidence == Evidence::ServerFailure) {
        member.is_hurried = true;
    }
    // The result of a trial that had lapsed counts as any other traffic's.
    const bool is_trial =
        event.kind == IntakeEvent::Kind::Trial && member.endpoint->redeem(event.trial_taken_at);
    const RoleView view = view_of(index, now);
    const auto transition = is_trial ? member.health->on_trial(event.outcome, now, view)
                                     : member.health->on_outcome(event.outcome, now, view);
    if (transition) note(HealthEvent::Kind::State, member, *transition, changes);
    count_failure(member, event.outcome, now, changes);
}

void HealthCluster::on_hot_standby(HealthMember& member, bool is_standby, Instant at) {
    if (at < member.noted_at) return;
    member.noted_at = at;
    member.noted_standby = is_standby;
    member.is_hurried = true;  // it has no timeline: only a probe makes it a role
}

void HealthCluster::on_probe(size_t index, const ProbeReport& report, Instant now,
                             HealthChanges& changes) {
    HealthMember& member = members_[index];
    ProbeResult result = report.result;
    const bool is_alive = result.outcome == Outcome::Success;
    is_alive ? member.probes.record(result.round_trip) : void(++member.probes_failed);
    const bool was_blind = member.is_blind;
    member.is_sighted = is_alive && report.has_role;
    member.is_blind = is_alive && !report.has_role;
    if (report.detail != member.probe_error && member.is_blind && !was_blind) {
        say(member, "probes cannot log in: " + report.detail, now, true, changes);
    }
    member.probe_error = report.detail;
    if (member.is_sighted) {
        fill_in(member, result);
        // Without it, each replica of a quiet primary would be LAGGING at the start.
        if (result.primary_lsn == 0 && report.has_caught_up) result.replay_delay = Duration(0);
        member.last_good = result;
        member.noted_standby = result.is_in_recovery;
        member.noted_at = std::max(member.noted_at, result.sent_at);
        judge_.on_probe(index, result);
    }
    const auto transition = member.health->on_probe(result, now, view_of(index, now));
    if (transition) note(HealthEvent::Kind::State, member, *transition, changes);
}

// A query that fails once is reduced to the role alone from then on, and a cautious administrator
// may have left no more than that. A server that does not tell is what it was when it did, or else
// one of ours: it is no stranger for its silence, and a stranger does not become one of ours by it.
// The timeline of a primary stays as long as it is one; a replica that has become a primary is on a
// new one, so on the highest.
void HealthCluster::fill_in(HealthMember& member, ProbeResult& result) const {
    if (result.system_identifier != 0) {
        member.told_identifier = result.system_identifier;
    } else {
        result.system_identifier =
            member.told_identifier != 0 ? member.told_identifier : judge_.system_identifier();
    }
    if (result.is_in_recovery) {
        member.claimed_timeline = 0;
    } else if (result.timeline != 0) {
        member.claimed_timeline = result.timeline;
    } else {
        result.timeline =
            member.claimed_timeline != 0 ? member.claimed_timeline : judge_.highest_timeline();
    }
}

void HealthCluster::revoke(size_t index, Instant now) {
    HealthMember& member = members_[index];
    judge_.revoke(index, now);
    member.revoked_at = std::max(member.revoked_at, now);
    member.is_hurried = true;
}

void HealthCluster::reset_roles() {
    judge_.reset();
    for (HealthMember& member : members_) {
        member.last_good = ProbeResult();
        member.told_identifier = 0;
        member.claimed_timeline = 0;
        member.noted_standby.reset();
        member.is_hurried = true;
    }
}

// --- verdicts

void HealthCluster::tick(Instant now, HealthChanges& changes) {
    for (size_t i = 0; i < members_.size(); ++i) {
        const auto transition = members_[i].health->tick(now, view_of(i, now));
        if (transition) note(HealthEvent::Kind::State, members_[i], *transition, changes);
        note_breaker(members_[i], members_[i].connects->tick(now), changes);
    }
}

void HealthCluster::judge_roles(Instant now, HealthChanges& changes) {
    Alerts holds;
    const std::vector<Role> roles =
        is_probed() ? probed_roles(now, holds) : hinted_roles(now, holds);
    const bool had_primary = std::exchange(has_primary_, false);
    for (size_t i = 0; i < members_.size(); ++i) {
        set_role(members_[i], roles[i], now, changes);
        raise_contradiction(members_[i], now, changes);
        has_primary_ = has_primary_ || roles[i] == Role::Primary;
    }
    if (had_primary && !has_primary_) {
        // Somebody may have been promoted already: not to wait for probes that are due much later.
        for (HealthMember& member : members_)
            member.is_hurried = true;
    }
    if (has_primary_) {
        primary_missing_since_ = Instant();
    } else if (primary_missing_since_.is_never()) {
        primary_missing_since_ = now;
    }
    for (const Role group : {Role::Primary, Role::Replica, Role::Unknown})
        holds.is_panic = holds.is_panic || is_panic(counts_of(group), options_);
    raise(alerts_.is_split, holds.is_split, kSplit, now, changes);
    raise(alerts_.is_fenced, holds.is_fenced, kFenced, now, changes);
    raise(alerts_.is_foreign, holds.is_foreign, kForeign, now, changes);
    raise(alerts_.is_disputed, holds.is_disputed, kDisputed, now, changes);
    raise(alerts_.is_panic, holds.is_panic, kPanic, now, changes);
}

// A log-in that no server takes is none; but one that some server takes shows who is the primary.
bool HealthCluster::is_probed() const {
    if (!login_) return false;
    bool any_sighted = false;
    bool any_blind = false;
    for (const HealthMember& member : members_) {
        any_sighted = any_sighted || member.is_sighted;
        any_blind = any_blind || member.is_blind;
    }
    return any_sighted || !any_blind;
}

std::vector<Role> HealthCluster::probed_roles(Instant now, Alerts& holds) const {
    const RoleJudge::Verdict verdict = judge_.judge(now);
    holds = {verdict.is_split, verdict.is_fenced, verdict.is_foreign, verdict.is_disputed, false};
    std::vector<Role> roles(members_.size());
    for (size_t i = 0; i < members_.size(); ++i)
        roles[i] = judge_.role_of(i, verdict);
    return roles;
}

std::vector<Role> HealthCluster::hinted_roles(Instant now, Alerts& holds) const {
    std::vector<RoleHint> hints;
    for (const HealthMember& member : members_)
        hints.push_back(hint_of(member, now));
    std::vector<Role> roles(members_.size());
    holds.is_split = roles_from_hints(hints, roles);
    return roles;
}

RoleHint HealthCluster::hint_of(const HealthMember& member, Instant now) const {
    RoleHint hint{member.plan.spec.role, member.noted_standby};
    // After a 25006 it is taken for a replica, for as long as evidence of a probe would last. Not
    // longer: before PostgreSQL 14 no server would ever say otherwise.
    const bool is_doubted = !member.doubted_at.is_never() && member.doubted_at > member.noted_at &&
                            now - member.doubted_at < 2 * options_.probe_interval;
    if (is_doubted) hint.is_standby = true;
    return hint;
}

void HealthCluster::set_role(HealthMember& member, Role role, Instant now,
                             HealthChanges& changes) const {
    if (role == member.role) return;
    const Role before = std::exchange(member.role, role);
    if (role != Role::Unknown) member.last_known_role = role;
    HealthEvent event;
    event.kind = HealthEvent::Kind::Role;
    event.at = now;
    event.backend = member.plan.spec.name;
    event.address = member.endpoint->address();
    event.from = to_text(before);
    event.to = to_text(role);
    event.reason = is_probed() ? "probes" : "configuration and data connections";
    event.is_alert = before == Role::Primary;
    changes.events.push_back(std::move(event));
}

void HealthCluster::raise(bool& raised, bool holds, const char* text, Instant now,
                          HealthChanges& changes) const {
    if (std::exchange(raised, holds) || !holds) return;
    HealthEvent event;
    event.kind = HealthEvent::Kind::Notice;
    event.at = now;
    event.backend = name_;
    event.reason = text;
    event.is_alert = true;
    changes.events.push_back(std::move(event));
}

void HealthCluster::raise_contradiction(HealthMember& member, Instant now,
                                        HealthChanges& changes) const {
    const RoleWish wish = member.plan.spec.role;
    const bool differs = (wish == RoleWish::Primary && member.role == Role::Replica) ||
                         (wish == RoleWish::Replica && member.role == Role::Primary);
    if (member.role == Role::Unknown) return;  // that is no evidence either way
    if (std::exchange(member.is_contradiction, differs) || !differs) return;
    say(member,
        std::string("is configured as ") + (wish == RoleWish::Primary ? "primary" : "replica") +
            ", but is the " + std::string(to_text(member.role)) + ": it is used as that",
        now, true, changes);
}

void HealthCluster::say(const HealthMember& member, const std::string& text, Instant now,
                        bool is_alert, HealthChanges& changes) const {
    HealthEvent event;
    event.kind = HealthEvent::Kind::Notice;
    event.at = now;
    event.backend = member.plan.spec.name;
    event.address = member.endpoint->address();
    event.reason = text;
    event.is_alert = is_alert;
    changes.events.push_back(std::move(event));
}

void HealthCluster::note(HealthEvent::Kind kind, const HealthMember& member,
                         const Transition& transition, HealthChanges& changes) const {
    // A ticket of an earlier HALF_OPEN must not keep the trials of this one waiting.
    if (transition.to == HealthState::HalfOpen) member.endpoint->cancel_trial();
    // It is out altogether, or begins anew: what its connects did before does not matter any more.
    if (!is_eligible(transition.to)) {
        const std::string why = "the backend is " + std::string(to_text(transition.to));
        note_breaker(member, member.connects->reset(transition.at, why), changes);
    }
    HealthEvent event;
    event.kind = kind;
    event.at = transition.at;
    event.backend = member.plan.spec.name;
    event.address = member.endpoint->address();
    event.from = to_text(transition.from);
    event.to = to_text(transition.to);
    event.reason = transition.reason;
    event.is_alert = transition.to == HealthState::Ejected || transition.to == HealthState::Lagging;
    changes.events.push_back(std::move(event));
}

// --- one role among others

Role HealthCluster::group_of(const HealthMember& member) {
    return member.role == Role::Unknown ? member.last_known_role : member.role;
}

RoleCounts HealthCluster::counts_of(Role group) const {
    std::vector<HealthState> states;
    for (const HealthMember& member : members_) {
        if (group_of(member) == group) states.push_back(usable_state(member));
    }
    return count_role(states);
}

RoleView HealthCluster::view_of(size_t index, Instant now) const {
    const HealthMember& self = members_[index];
    const Role group = group_of(self);
    RoleView view;
    view.may_eject = may_eject(usable_state(self), counts_of(group), options_);
    view.best_latency.is_saturated = self.endpoint->waiting() > 0;
    for (const HealthMember& member : members_) {
        // Compared with others only: alone, an endpoint is compared with its own past.
        if (&member == &self || group_of(member) != group) continue;
        if (!is_eligible(member.health->state())) continue;
        if (member.endpoint->waiting() == 0) view.best_latency.is_saturated = false;
        const auto keep_least = [](std::optional<double>& best, std::optional<double> log) {
            if (log) best = std::min(*log, best.value_or(*log));
        };
        const Score& score = member.health->score();
        keep_least(view.best_latency.probe, score.latency_log());
        keep_least(view.best_latency.statement, score.statement_log(now, options_));
    }
    return view;
}

bool HealthCluster::publish() {
    bool has_changed = false;
    const bool probed = is_probed();
    for (HealthMember& member : members_) {
        const EndpointHealth& health = *member.health;
        EndpointVerdict verdict;
        verdict.state = health.state();
        verdict.role = member.role;
        verdict.is_panic = ignores_failures(member);
        verdict.is_open = member.force == BreakerForce::Open;
        verdict.is_connect_open = is_connect_open(member);
        verdict.is_probed = probed;
        verdict.is_watched = true;
        verdict.weight =
            static_cast<float>(verdict.is_panic ? health.panic_weight() : health.weight());
        EndpointPosition position;
        const Lag& lag = health.score().lag();
        if (lag.is_replica) {
            position.lag = lag.delay;
            position.lag_bytes = lag.bytes;
        }
        position.lsn = member.last_good.lsn;
        position.asked_at = member.last_good.sent_at;
        position.primary_lsn = judge_.primary_lsn();
        has_changed = member.endpoint->publish(verdict, position) || has_changed;
    }
    return has_changed;
}

Duration HealthCluster::next_probe_pause(size_t index, bool was_good, Instant now, Prng& random) {
    HealthMember& member = members_[index];
    if (member.is_blind) return kRefusedPause;
    const bool is_searching = !has_primary_ && !primary_missing_since_.is_never() &&
                              now - primary_missing_since_ < kSearchTime;
    const Duration pause = member.health->next_probe_pause();
    if (was_good && !is_searching) return pause;
    const Duration fast =
        jittered_around(options_.probe_interval_fast, options_.probe_jitter_percent, random);
    return std::min(pause, fast);
}

BackendRow HealthCluster::row(size_t index) const {
    const HealthMember& member = members_[index];
    const EndpointHealth& health = *member.health;
    const EndpointVerdict verdict = member.endpoint->verdict();
    BackendRow row;
    row.name = member.plan.spec.name;
    row.address = member.endpoint->address();
    row.host = member.endpoint->host();
    row.port = member.endpoint->port();
    row.databases = name_;
    row.zone = member.plan.spec.zone;
    row.role = member.role;
    row.state = health.state();
    row.is_panic = verdict.is_panic;
    row.is_probed = verdict.is_probed;
    row.weight = member.endpoint->base_weight(member.plan.spec.weight);
    row.health = static_cast<uint32_t>(std::lround(health.score().h() * 100));
    row.factors = health.score().factors();
    row.in_use = member.endpoint->in_use();
    row.waiting = member.endpoint->waiting();
    row.position = member.endpoint->position();
    row.timeline = member.last_good.timeline;
    row.backend_count = member.last_good.backend_count;
    row.why = health.reason();
    row.since = health.since();
    row.probed_at = member.last_good.sent_at;
    row.probe_error = member.probe_error;
    row.patroni = patroni_text(member);
    row.ejections = health.ejections();
    row.ejections_withheld = health.ejections_withheld();
    row.queries = row_of_queries(member);
    row.connects = row_of_connects(member);
    row.alerts = alerts_of(member);
    row.probes = member.probes;
    row.probes_failed = member.probes_failed;
    for (size_t age = 0; age < health.history_size(); ++age)
        row.transitions.push_back(health.history(age));
    return row;
}

std::string HealthCluster::alerts_of(const HealthMember& member) const {
    std::string text;
    const auto add = [&text](bool holds, const char* alert) {
        if (holds) text += (text.empty() ? "" : "; ") + std::string(alert);
    };
    add(alerts_.is_split, kSplit);
    add(alerts_.is_fenced, kFenced);
    add(alerts_.is_foreign, kForeign);
    add(alerts_.is_disputed, kDisputed);
    add(alerts_.is_panic, kPanic);
    add(member.is_contradiction, "its configured role is not the one it has");
    return text;
}

}  // namespace weir
