#include "proxy/limits/rate_limiter.h"

#include <algorithm>

#include "protocol/base/random.h"

namespace weir {

namespace {

// The rule with which `config` may go on; null when there is none.
const RateRule* find_alike(const RateRules& before, const RateLimitConfig& config) {
    const std::vector<RateRulePtr>& rules = before.at(*config.at);
    const auto found = std::find_if(rules.begin(), rules.end(), [&](const RateRulePtr& rule) {
        return rule->config().name == config.name;
    });
    if (found == rules.end()) return nullptr;
    return keeps_counts((*found)->config(), config) ? found->get() : nullptr;
}

std::vector<RateRulePtr>& list_of(RateRules& rules, RatePoint point) {
    switch (point) {
        case RatePoint::Accept: return rules.accept;
        case RatePoint::Login: return rules.login;
        case RatePoint::Transaction: break;
    }
    return rules.transaction;
}

}  // namespace

const std::vector<RateRulePtr>& RateRules::at(RatePoint point) const {
    switch (point) {
        case RatePoint::Accept: return accept;
        case RatePoint::Login: return login;
        case RatePoint::Transaction: break;
    }
    return transaction;
}

RateLimiter::RateLimiter() {
    secure_random({reinterpret_cast<uint8_t*>(secret_.data()), sizeof secret_});
}

void RateLimiter::configure(const Config& config) {
    const RateRulesPtr before = rules();
    const auto after = std::make_shared<RateRules>();
    for (const auto& [name, limit] : config.rate_limits) {
        list_of(*after, *limit.at)
            .push_back(
                std::make_shared<const RateRule>(limit, secret_, find_alike(*before, limit)));
    }
    const std::lock_guard lock(mutex_);
    rules_ = after;
}

RateRulesPtr RateLimiter::rules() const {
    const std::lock_guard lock(mutex_);
    return rules_;
}

}  // namespace weir
