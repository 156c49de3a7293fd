// HealthCluster, continued: what the Patroni of a member says.
#include "health/cluster.h"

namespace weir {

namespace {

// Patroni may call a server the leader a little before that server leaves recovery: so long its
// probes go on being hurried with each answer. A lie costs some probes.
constexpr Duration kClaimTime = std::chrono::seconds(5);

// Between two lines of the log about one Patroni, which may change its mind with each answer.
constexpr Duration kTellPause = std::chrono::seconds(1);

}  // namespace

void HealthCluster::on_patroni(size_t index, const Result<PatroniAnswer>& said, Instant now,
                               HealthChanges& changes) {
    HealthMember& member = members_[index];
    PatroniWord& word = member.patroni;
    if (!said) {
        word.error = said.error().message;
        if (!word.is_failure_told) {
            word.is_failure_told =
                tell_patroni(member, "does not help: " + word.error, now, true, changes);
        }
        return;
    }
    word.error.clear();
    if (word.is_failure_told) {
        word.is_failure_told =
            !tell_patroni(member, "answers: " + to_text(*said), now, false, changes);
    }
    const PatroniHint hint = patroni_hint(word.answer, *said);
    if (is_leader(*said) && !(word.answer && is_leader(*word.answer))) word.claimed_at = now;
    if (hint.is_hurried) {
        const std::string before = word.answer ? to_text(*word.answer) + " -> " : "";
        (void)tell_patroni(member, "says " + before + to_text(*said), now, false, changes);
        for (HealthMember& each : members_)
            each.is_hurried = true;
    }
    if (hint.is_revoked) revoke(index, now);
    const bool is_awaited = is_leader(*said) && member.role != Role::Primary && !member.is_blind;
    if (is_awaited && now - word.claimed_at < kClaimTime) member.is_hurried = true;
    word.answer = *said;
}

bool HealthCluster::tell_patroni(HealthMember& member, const std::string& text, Instant now,
                                 bool is_alert, HealthChanges& changes) const {
    Instant& told_at = member.patroni.told_at;
    if (!told_at.is_never() && now - told_at < kTellPause) return false;
    told_at = now;
    say(member, "its Patroni " + text, now, is_alert, changes);
    return true;
}

std::string HealthCluster::patroni_text(const HealthMember& member) {
    if (member.plan.spec.patroni.empty()) return {};
    if (!member.patroni.error.empty()) return member.patroni.error;
    return member.patroni.answer ? to_text(*member.patroni.answer) : "no answer yet";
}

}  // namespace weir
