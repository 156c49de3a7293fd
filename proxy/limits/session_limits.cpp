#include "proxy/limits/session_limits.h"

#include <algorithm>

namespace weir {

void SessionLimits::set_rules(const std::vector<RateRulePtr>& rules, const RateSubject& subject) {
    if (stage_ == Stage::Booked) unbook(nullptr);
    const std::vector<Applied> before = std::exchange(rules_, {});
    needs_class_ = false;
    slowest_ = nullptr;
    for (const RateRulePtr& rule : rules) {
        if (!rule->concerns(subject)) continue;
        Applied applied;
        applied.rule = rule;
        applied.key = rule->key_of(subject);
        applied.hash = rule->hash_of(applied.key);
        // The transaction under way is charged to those that it was asked by.
        applied.is_asked = stage_ == Stage::Begun &&
                           std::any_of(before.begin(), before.end(), [&](const Applied& it) {
                               return it.is_asked && it.rule->config().name == rule->config().name;
                           });
        needs_class_ |= rule->has_class_key() || rule->has_class_filter();
        rules_.push_back(std::move(applied));
    }
    for (Applied& it : rules_)  // once none of them moves any more
        it.asked = it.rule->with_class(it.hash, it.key, query_class_);
    units_.reserve(std::max(units_.size(), rules_.size()));  // nothing is allocated later
}

SessionLimits::Verdict SessionLimits::begin(Instant now, QueryClass query_class) {
    Verdict verdict;
    if (stage_ == Stage::Begun) return verdict;
    if (stage_ == Stage::Idle && !book(now, query_class, verdict)) return verdict;
    if (starts_at_ > now) return wait_until(starts_at_, slowest_);
    if (!take_units(now, verdict)) return verdict;
    stage_ = Stage::Begun;
    for (const Applied& it : rules_) {
        if (it.is_booked) it.rule->note_allowed();
    }
    return verdict;
}

// Takes a place in every rate; false when one refuses.
bool SessionLimits::book(Instant now, QueryClass query_class, Verdict& verdict) {
    starts_at_ = now;
    query_class_ = query_class;
    slowest_ = nullptr;
    is_delayed_ = false;
    for (Applied& it : rules_)
        it.is_booked = it.is_asked = false;
    for (Applied& it : rules_) {
        const RateRule& rule = *it.rule;
        it.is_asked = rule.concerns(query_class);
        if (!it.is_asked) continue;
        it.asked = rule.with_class(it.hash, it.key, query_class);
        const GcraDecision decision =
            rule.table().admit(it.asked, now, rule.bounds(), rule.delay_max());
        it.is_booked = decision.is_allowed;
        if (decision.is_allowed) {
            if (now + decision.retry_after <= starts_at_) continue;
            starts_at_ = now + decision.retry_after;
            slowest_ = &it;
            continue;
        }
        RateRefusal refusal = rule.refusal(it.asked, RateRule::Limit::Events, decision.retry_after);
        if (rule.action() == RateAction::Log) {
            rule.note_logged(refusal, now);
            continue;
        }
        rule.note_rejected(refusal, now);
        unbook(nullptr);
        verdict = {Verdict::Kind::Refuse, {}, std::move(refusal)};
        return false;
    }
    stage_ = Stage::Booked;
    asked_at_ = now;
    return true;
}

void SessionLimits::unbook(const Applied* refused_by) {
    for (Applied& it : rules_) {
        if (!it.is_booked) continue;
        it.rule->table().take_back(it.asked, it.rule->bounds(), &it == refused_by);
        it.is_booked = false;
    }
    stage_ = Stage::Idle;
}

// A unit of every concurrency, or none of any: who waits holds nothing.
bool SessionLimits::take_units(Instant now, Verdict& verdict) {
    for (Applied& it : rules_) {
        const RateRule& rule = *it.rule;
        const int most = rule.bounds().concurrency;
        if (!it.is_asked || most == 0) continue;
        const RateTable::Hold hold = rule.table().hold(it.asked, now, most);
        if (hold == RateTable::Hold::Held) units_.emplace_back(it.rule, it.asked.hash);
        if (hold != RateTable::Hold::Full) continue;
        if (rule.action() == RateAction::Log) {
            // Either limit makes it one that was let through beyond it.
            const bool is_logged = !it.is_booked;
            if (!is_logged) {
                rule.note_logged(rule.refusal(it.asked, RateRule::Limit::Concurrency, kUnitRetry),
                                 now);
            }
            it.is_booked = false;
            continue;
        }
        units_.clear();
        const Instant give_up_at = asked_at_ + rule.delay_max();
        if (now < give_up_at) {
            verdict = wait_until(std::min(now + kUnitRetry, give_up_at), &it);
            return false;
        }
        RateRefusal refusal = rule.refusal(it.asked, RateRule::Limit::Concurrency, kUnitRetry);
        rule.note_rejected(refusal, now);
        unbook(&it);
        verdict = {Verdict::Kind::Refuse, {}, std::move(refusal)};
        return false;
    }
    return true;
}

SessionLimits::Verdict SessionLimits::wait_until(Instant at, const Applied* because_of) {
    if (!is_delayed_ && because_of != nullptr) because_of->rule->note_delayed();
    is_delayed_ = true;
    again_at_ = at;
    return {Verdict::Kind::Wait, at, {}};
}

void SessionLimits::end(Instant now) {
    if (stage_ == Stage::Idle) return;
    if (stage_ == Stage::Begun) {
        for (const Applied& it : rules_) {
            const int64_t per_second = it.rule->bounds().bytes_per_second;
            if (it.is_asked && per_second > 0)
                it.rule->table().charge(it.asked, now, per_second, bytes_);
        }
        bytes_ = 0;
    }
    units_.clear();
    stage_ = Stage::Idle;
}

}  // namespace weir
