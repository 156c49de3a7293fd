#include "health/role_judge.h"

#include <algorithm>

#include "protocol/base/check.h"

namespace weir {

RoleJudge::RoleJudge(const RoleOptions& options, size_t endpoint_count)
    : options_(options),
      system_identifier_(options.system_identifier),
      is_settled_(options.system_identifier != 0),
      evidence_(endpoint_count) {}

void RoleJudge::on_probe(size_t index, const ProbeResult& probe) {
    WEIR_CHECK(index < evidence_.size());
    Evidence& evidence = evidence_[index];
    if (probe.outcome != Outcome::Success) return;
    if (probe.sent_at < evidence.sent_at || probe.sent_at <= evidence.revoked_at) return;
    evidence.kind = probe.is_in_recovery ? Evidence::Kind::Recovery : Evidence::Kind::Claim;
    evidence.system_identifier = probe.system_identifier;
    evidence.timeline = probe.timeline;
    evidence.sent_at = probe.sent_at;
    if (!is_settled_) learn_identifier(probe.sent_at);
    if (!is_ours(evidence)) return;
    raise_fence(evidence);
    if (!probe.is_in_recovery && probe.timeline == fence_.timeline) {
        fence_.primary_lsn = std::max(fence_.primary_lsn, probe.lsn);
    }
}

// A replica's timeline counts too: whoever it follows has been promoted.
void RoleJudge::raise_fence(const Evidence& evidence) {
    if (evidence.timeline <= fence_.timeline) return;
    fence_ = {.timeline = evidence.timeline, .asked_at = evidence.sent_at};
}

void RoleJudge::learn_identifier(Instant now) {
    if (first_at_.is_never()) first_at_ = now;
    uint64_t best = 0;
    size_t best_count = 0;
    bool is_tied = false;
    bool is_alone = true;
    for (const Evidence& one : evidence_) {
        const uint64_t identifier = one.system_identifier;
        if (identifier == 0) continue;
        const auto count = static_cast<size_t>(std::count_if(
            evidence_.begin(), evidence_.end(),
            [identifier](const Evidence& other) { return other.system_identifier == identifier; }));
        is_alone = is_alone && (best == 0 || identifier == best);
        if (count > best_count) {
            best = identifier;
            best_count = count;
            is_tied = false;
        } else if (count == best_count && identifier != best) {
            is_tied = true;
        }
    }
    is_disputed_ = is_tied;
    if (best == 0 || is_tied) return;
    adopt(best);
    is_settled_ = best_count > 1 || (is_alone && now - first_at_ >= 2 * options_.probe_interval);
}

// What a stranger said of timelines is not to stay.
void RoleJudge::adopt(uint64_t system_identifier) {
    if (system_identifier == system_identifier_) return;
    system_identifier_ = system_identifier;
    fence_ = {};
    for (const Evidence& evidence : evidence_) {
        if (is_ours(evidence)) raise_fence(evidence);
    }
}

bool RoleJudge::is_ours(const Evidence& evidence) const {
    if (is_disputed_) return false;
    return evidence.system_identifier == 0 || evidence.system_identifier == system_identifier_;
}

void RoleJudge::revoke(size_t index, Instant now) {
    WEIR_CHECK(index < evidence_.size());
    Evidence& evidence = evidence_[index];
    evidence.revoked_at = std::max(evidence.revoked_at, now);
}

void RoleJudge::reset() {
    system_identifier_ = options_.system_identifier;
    is_settled_ = options_.system_identifier != 0;
    is_disputed_ = false;
    first_at_ = Instant();
    fence_ = {};
    for (Evidence& evidence : evidence_) {
        const Instant revoked_at = evidence.revoked_at;
        evidence = Evidence();
        evidence.revoked_at = revoked_at;
    }
}

void RoleJudge::inherit(const RoleJudge& before) {
    if (before.is_disputed_) return;
    const uint64_t expected = options_.system_identifier;
    if (expected != 0 && before.system_identifier_ != expected) return;
    system_identifier_ = before.system_identifier_;
    is_settled_ = is_settled_ || before.is_settled_;
    first_at_ = before.first_at_;
    fence_ = before.fence_;
}

bool RoleJudge::is_fresh(const Evidence& evidence, Instant now) const {
    return evidence.sent_at > evidence.revoked_at &&
           now - evidence.sent_at < 2 * options_.probe_interval;
}

RoleJudge::Verdict RoleJudge::judge(Instant now) const {
    Verdict verdict;
    verdict.is_disputed = is_disputed_;
    size_t claimants = 0;
    for (size_t i = 0; i < evidence_.size(); ++i) {
        const Evidence& evidence = evidence_[i];
        if (evidence.kind == Evidence::Kind::None || is_disputed_) continue;
        if (!is_ours(evidence)) {
            verdict.is_foreign = true;
            continue;
        }
        if (evidence.kind != Evidence::Kind::Claim || !is_fresh(evidence, now)) continue;
        if (evidence.timeline != fence_.timeline) {
            verdict.is_fenced = verdict.is_fenced || evidence.sent_at >= fence_.asked_at;
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
    const Evidence& evidence = evidence_[index];
    const bool is_replica = evidence.kind == Evidence::Kind::Recovery && is_ours(evidence);
    return is_replica ? Role::Replica : Role::Unknown;
}

}  // namespace weir
