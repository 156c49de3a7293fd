// HealthCluster: the endpoints of one cluster, each with its EndpointHealth, and the judge of their
// roles. Roles come from probes, or from hints (role_hints.h) when there are none: no log-in for
// probes, or one that no server takes.
//
// An endpoint of unknown role is counted with those of its last known one: a primary whose evidence
// was revoked is still the last primary that must not be ejected.
// Pure (no clock, no socket); allocates. Owner: HealthRegistry. Thread: the owner's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "health/circuit_breaker.h"
#include "health/cluster_plan.h"
#include "health/endpoint.h"
#include "health/endpoint_health.h"
#include "health/health_report.h"
#include "health/patroni_hint.h"
#include "health/probe_report.h"
#include "health/role_hints.h"
#include "health/role_judge.h"
#include "protocol/base/histogram.h"

namespace weir {

// What its Patroni said.
struct PatroniWord {
    std::optional<PatroniAnswer> answer;  // the last good one
    std::string error;                    // of the last question; empty = it was answered
    Instant claimed_at;                   // since when it calls this one the leader
    Instant told_at;                      // the last line of the log about it
    uint32_t failures = 0;                // questions without an answer, in a row
    bool is_failure_told = false;
};

// All that is known of one endpoint; survives a RELOAD.
struct HealthMember {
    Endpoint* endpoint = nullptr;
    EndpointPlan plan;
    std::unique_ptr<EndpointHealth> health;
    std::unique_ptr<CircuitBreaker> connects;
    BreakerForce force = BreakerForce::None;  // of both breakers
    Instant forced_at;
    Role role = Role::Unknown;
    Role last_known_role = Role::Unknown;
    ProbeResult last_good;  // outcome Success = there was one with a role
    std::string probe_error;
    bool is_sighted = false;        // the last probe told a role
    bool is_blind = false;          // the last probe found it alive, and was told nothing
    uint64_t told_identifier = 0;   // the last system identifier it told; 0 = none
    uint32_t claimed_timeline = 0;  // told as a primary, since it is one; 0 = none
    std::optional<bool> noted_standby;
    Instant noted_at;
    Instant doubted_at;             // 25006 from a believed primary
    Instant revoked_at;             // RoleJudge::revoke, last
    bool is_contradiction = false;  // wish and evidence differ, and it was said
    bool is_hurried = false;        // a probe is wanted at once
    PatroniWord patroni;
    HistogramTotals probes;      // round trips of those that were answered
    uint64_t probes_failed = 0;  // all others
};

class HealthCluster {
  public:
    HealthCluster(const ClusterPlan& plan, std::vector<HealthMember> members,
                  const HealthOptions& options);

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] const std::optional<ProbeLogin>& login() const { return login_; }
    [[nodiscard]] std::vector<HealthMember>& members() { return members_; }
    [[nodiscard]] const std::vector<HealthMember>& members() const { return members_; }
    [[nodiscard]] uint64_t primary_lsn() const { return judge_.primary_lsn(); }

    // Takes timelines, system identifier and LSN over from the judge before a RELOAD, and all
    // evidence that the members bring along.
    void inherit(const HealthCluster* before);
    // Gives the members away: nothing else may be called afterwards but const functions.
    [[nodiscard]] std::vector<HealthMember> release_members() { return std::move(members_); }

    void drain_intake(size_t index, Instant now, HealthChanges& changes);
    void on_probe(size_t index, const ProbeReport& report, Instant now, HealthChanges& changes);
    // The connection that brought the evidence is gone.
    void revoke(size_t index, Instant now);
    // A hint only: see patroni_hint.h.
    void on_patroni(size_t index, const Result<PatroniAnswer>& said, Instant now,
                    HealthChanges& changes);
    void tick(Instant now, HealthChanges& changes);
    void judge_roles(Instant now, HealthChanges& changes);
    // Writes all verdicts to the endpoints; true when a route changed.
    bool publish();
    // By the operator's order: see RoleJudge::reset.
    void reset_roles();
    // By the operator's order: BREAKER OPEN and CLOSE; RESET.
    void force_breakers(size_t index, BreakerForce force, Instant now, HealthChanges& changes);
    void reset_breakers(size_t index, Instant now, HealthChanges& changes);

    [[nodiscard]] Duration next_probe_pause(size_t index, bool was_good, Instant now, Prng& random);
    [[nodiscard]] Duration next_patroni_pause(size_t index, Prng& random) const;
    [[nodiscard]] BackendRow row(size_t index) const;
    // Roles are told by probes; else by hints.
    [[nodiscard]] bool is_probed() const;
    void note(HealthEvent::Kind kind, const HealthMember& member, const Transition& transition,
              HealthChanges& changes) const;

  private:
    // Alerts that hold now; each is said once, when it begins.
    struct Alerts {
        bool is_split = false;
        bool is_fenced = false;
        bool is_foreign = false;
        bool is_disputed = false;
        bool is_panic = false;
    };

    [[nodiscard]] static Role group_of(const HealthMember& member);
    [[nodiscard]] RoleView view_of(size_t index, Instant now) const;
    [[nodiscard]] RoleCounts counts_of(Role group) const;
    [[nodiscard]] std::string alerts_of(const HealthMember& member) const;

    // cluster_breakers.cpp
    void count_connects(HealthMember& member, uint64_t logins, Instant now,
                        HealthChanges& changes) const;
    void count_failure(HealthMember& member, Outcome outcome, Instant now,
                       HealthChanges& changes) const;
    // Its ejection is not in force.
    [[nodiscard]] bool ignores_failures(const HealthMember& member) const;
    [[nodiscard]] bool is_connect_open(const HealthMember& member) const;
    // One whose breaker is forced open counts as drained: it is no help to the others of its role.
    [[nodiscard]] static HealthState usable_state(const HealthMember& member);
    [[nodiscard]] BreakerRow row_of_queries(const HealthMember& member) const;
    [[nodiscard]] BreakerRow row_of_connects(const HealthMember& member) const;
    [[nodiscard]] static BreakerRow forced_row(const HealthMember& member, BreakerRow row);
    void note_breaker(const HealthMember& member,
                      const std::optional<BreakerTransition>& transition,
                      HealthChanges& changes) const;

    // cluster_patroni.cpp
    // False when the last line is too fresh.
    bool tell_patroni(HealthMember& member, const std::string& text, Instant now, bool is_alert,
                      HealthChanges& changes) const;
    [[nodiscard]] static std::string patroni_text(const HealthMember& member);

    void on_event(size_t index, const IntakeEvent& event, Instant now, HealthChanges& changes);
    void fill_in(HealthMember& member, ProbeResult& result) const;
    void on_hot_standby(HealthMember& member, bool is_standby, Instant at);
    void raise(bool& raised, bool holds, const char* text, Instant now,
               HealthChanges& changes) const;
    void raise_contradiction(HealthMember& member, Instant now, HealthChanges& changes) const;
    [[nodiscard]] std::vector<Role> probed_roles(Instant now, Alerts& holds) const;
    [[nodiscard]] std::vector<Role> hinted_roles(Instant now, Alerts& holds) const;
    [[nodiscard]] RoleHint hint_of(const HealthMember& member, Instant now) const;
    void set_role(HealthMember& member, Role role, Instant now, HealthChanges& changes) const;
    void say(const HealthMember& member, const std::string& text, Instant now, bool is_alert,
             HealthChanges& changes) const;

    std::string name_;
    std::optional<ProbeLogin> login_;
    std::vector<HealthMember> members_;
    HealthOptions options_;
    RoleJudge judge_;
    Alerts alerts_;
    Instant primary_missing_since_;  // never = there is one, or it is not known yet
    bool has_primary_ = false;
};

}  // namespace weir
