#include "health/role_judge.h"

#include <algorithm>

#include "protocol/base/check.h"

namespace weir {

RoleJudge::RoleJudge(const RoleOptions& options, size_t endpoint_count)
    : options_(options), system_identifier_(options.system_identifier), evidence_(endpoint_count) {}

void RoleJudge::on_probe(size_t index, const ProbeResult& probe) {
    WEIR_CHECK(index < evidence_.size());
    Evidence& evidence = evidence_[index];
    if (probe.outcome != Outcome::Success) return;
    if (probe.sent_at < evidence.sent_at || probe.sent_at <= evidence.revoked_at) return;
    if (system_identifier_ == 0) system_identifier_ = probe.system_identifier;

    evidence.sent_at = probe.sent_at;
    evidence.timeline = probe.timeline;
    if (probe.system_identifier != system_identifier_) {
        evidence.kind = Evidence::Kind::Foreign;
        return;
    }
    evidence.kind = probe.is_in_recovery ? Evidence::Kind::Recovery : Evidence::Kind::Claim;
    // A replica's timeline counts too: whoever it follows has been promoted.
    if (probe.timeline > highest_timeline_) {
        highest_timeline_ = probe.timeline;
        primary_lsn_ = 0;
    }
    if (!probe.is_in_recovery && probe.timeline == highest_timeline_) {
        primary_lsn_ = std::max(primary_lsn_, probe.lsn);
    }
}

void RoleJudge::revoke(size_t index, Instant now) {
    WEIR_CHECK(index < evidence_.size());
    Evidence& evidence = evidence_[index];
    evidence.revoked_at = std::max(evidence.revoked_at, now);
    if (evidence.kind == Evidence::Kind::Claim) evidence.kind = Evidence::Kind::None;
}

void RoleJudge::reset() {
    system_identifier_ = options_.system_identifier;
    highest_timeline_ = 0;
    primary_lsn_ = 0;
    std::fill(evidence_.begin(), evidence_.end(), Evidence());
}

bool RoleJudge::is_fresh(const Evidence& evidence, Instant now) const {
    return now - evidence.sent_at < 2 * options_.probe_interval;
}

RoleJudge::Verdict RoleJudge::judge(Instant now) const {
    Verdict verdict;
    size_t claimants = 0;
    for (size_t i = 0; i < evidence_.size(); ++i) {
        const Evidence& evidence = evidence_[i];
        if (evidence.kind == Evidence::Kind::Foreign) verdict.is_foreign = true;
        if (evidence.kind != Evidence::Kind::Claim || !is_fresh(evidence, now)) continue;
        if (evidence.timeline != highest_timeline_) {
            verdict.is_fenced = true;
            continue;
        }
        ++claimants;
        verdict.primary = i;
    }
    if (claimants > 1) {
        verdict.primary.reset();
        verdict.is_split = true;
    }
    return verdict;
}

Role RoleJudge::role_of(size_t index, const Verdict& verdict) const {
    WEIR_CHECK(index < evidence_.size());
    if (verdict.primary == index) return Role::Primary;
    return evidence_[index].kind == Evidence::Kind::Recovery ? Role::Replica : Role::Unknown;
}

}  // namespace weir
