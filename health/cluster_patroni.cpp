// HealthCluster, continued: what the Patroni of a member says.
#include <algorithm>

#include "health/cluster.h"
#include "health/jitter.h"

namespace weir {

namespace {

// Patroni may call a server the leader a little before that server leaves recovery: so long its
// probes go on being hurried with each answer. A lie costs some probes.
constexpr Duration kClaimTime = std::chrono::seconds(5);

// Between two lines of the log about one Patroni, which may change its mind with each answer.
constexpr Duration kTellPause = std::chrono::seconds(1);

// Without an answer the pause doubles from the second time on, up to 16 times patroni_interval:
// each look-up of a name that does not end keeps a thread of libcurl's for as long as the resolver
// tries.
constexpr uint32_t kDoublings = 4;

}  // namespace

void HealthCluster::on_patroni(size_t index, const Result<PatroniAnswer>& said, Instant now,
                               HealthChanges& changes) {
    HealthMember& member = members_[index];
    PatroniWord& word = member.patroni;
    if (!said) {
        word.error = said.error().message;
        ++word.failures;
        if (!word.is_failure_told) {
            word.is_failure_told =
                tell_patroni(member, "does not help: " + word.error, now, true, changes);
        }
        return;
    }
    word.error.clear();
    word.failures = 0;
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

Duration HealthCluster::next_patroni_pause(size_t index, Prng& random) const {
    const uint32_t doublings =
        std::min(std::max(members_[index].patroni.failures, 1U) - 1, kDoublings);
    return jittered_around(options_.patroni_interval * (1 << doublings),
                           options_.probe_jitter_percent, random);
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
