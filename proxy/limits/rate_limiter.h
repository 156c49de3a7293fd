// RateLimiter: the rate limits in force, for all workers. A reload swaps the set; rules whose keys
// are made as before go on with their counts. Owner: Shared. Thread: any (one mutex, taken when a
// worker fetches the set: at its start and after a reload).
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "conf/config.h"
#include "proxy/limits/rate_rule.h"

namespace weir {

// By the point where they are asked; each list in the order of the names. Immutable.
struct RateRules {
    std::vector<RateRulePtr> accept;
    std::vector<RateRulePtr> login;
    std::vector<RateRulePtr> transaction;

    [[nodiscard]] const std::vector<RateRulePtr>& at(RatePoint point) const;
};
using RateRulesPtr = std::shared_ptr<const RateRules>;

class RateLimiter {
  public:
    RateLimiter();

    // Thread: one at a time (control).
    void configure(const Config& config);
    [[nodiscard]] RateRulesPtr rules() const;

  private:
    SipKey secret_{};           // of the hashes of keys; drawn once, as counts outlive a reload
    mutable std::mutex mutex_;  // guards rules_
    RateRulesPtr rules_ = std::make_shared<const RateRules>();
};

}  // namespace weir
