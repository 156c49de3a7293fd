// RateRule: one [rate_limit:NAME] at work: whom it concerns, what its keys are, and what it has
// counted. A reload makes new rules; one whose keys are still made alike shares the counts of the
// one before (conf's fate_of_rate_limit). Owner: whoever holds a RateRulePtr.
// Thread: any (immutable, but for the counts, which are atomics and a RateTable).
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/logging.h"
#include "conf/rate_limit_config.h"
#include "protocol/base/result.h"
#include "protocol/base/siphash.h"
#include "proxy/limits/rate_table.h"

namespace weir {

// Who asks, as far as it is known at that point; the rest is empty.
struct RateSubject {
    AddressBytes address;
    std::string_view user = {};
    std::string_view database = {};
    std::string_view application_name = {};
};

// Why somebody was turned away.
struct RateRefusal {
    std::string rule;
    std::string key;    // "user=app database=shop", "all"
    std::string limit;  // "100/s, burst 10"
    Duration retry_after{0};

    // `rate limit "x" exceeded`, with all the rest in DETAIL.
    [[nodiscard]] Error error(std::string_view sqlstate) const;
};

class RateRule {
  public:
    enum class Limit : uint8_t { Events, Concurrency };

    // `before`: the rule whose counts it goes on with; null begins anew.
    RateRule(const RateLimitConfig& config, const SipKey& secret, const RateRule* before);

    [[nodiscard]] const RateLimitConfig& config() const { return config_; }
    [[nodiscard]] RateAction action() const { return action_; }
    [[nodiscard]] const RateBounds& bounds() const { return bounds_; }
    // How long it may hold somebody back; 0 when it does not delay.
    [[nodiscard]] Duration delay_max() const {
        return action_ == RateAction::Delay ? config_.max_delay : Duration(0);
    }

    // By its filters; that of the query class is asked apart, as it is known last.
    [[nodiscard]] bool concerns(const RateSubject& subject) const;
    [[nodiscard]] bool concerns(QueryClass query_class) const;
    [[nodiscard]] bool has_class_filter() const { return !config_.query_classes.empty(); }
    [[nodiscard]] bool has_class_key() const { return has_class_key_; }

    // The key of `subject` as text and as hash; the query class is added by with_class().
    [[nodiscard]] std::string key_of(const RateSubject& subject) const;
    [[nodiscard]] uint64_t hash_of(std::string_view key) const;
    [[nodiscard]] RateKey with_class(uint64_t hash, std::string_view key,
                                     QueryClass query_class) const;

    [[nodiscard]] RateTable& table() const { return counts_->table; }
    [[nodiscard]] RateRefusal refusal(const RateKey& key, Limit limit, Duration retry_after) const;

    // What became of those who asked.
    void note_allowed() const { add(counts_->allowed); }
    void note_delayed() const { add(counts_->delayed); }
    // Also logs, at most once a second.
    void note_rejected(const RateRefusal& refusal, Instant now) const;
    void note_logged(const RateRefusal& refusal, Instant now) const;

    struct Totals {
        uint64_t allowed = 0;  // delayed ones among them
        uint64_t delayed = 0;
        uint64_t rejected = 0;
        uint64_t logged = 0;  // let through by action = log, though beyond the limit
    };
    [[nodiscard]] Totals totals() const;

  private:
    struct Counts {
        Counts(size_t keys_max, size_t shards) : table(keys_max, shards) {}

        RateTable table;
        RateLimit log_limit{1};
        alignas(64) std::atomic<uint64_t> allowed{0};
        std::atomic<uint64_t> delayed{0};
        std::atomic<uint64_t> rejected{0};
        std::atomic<uint64_t> logged{0};
    };
    static void add(std::atomic<uint64_t>& counter) {
        counter.fetch_add(1, std::memory_order_relaxed);
    }
    void log(const char* what, const RateRefusal& refusal, Instant now) const;

    const RateLimitConfig config_;
    const RateAction action_;
    const SipKey secret_;
    const bool has_class_key_;
    RateBounds bounds_;
    std::shared_ptr<Counts> counts_;
};

using RateRulePtr = std::shared_ptr<const RateRule>;

// Asks `rules`, those of accept or of login, in turn for one arrival of `subject`; the first that
// refuses decides, and what the others had counted is taken back.
std::optional<RateRefusal> admit_arrival(const std::vector<RateRulePtr>& rules,
                                         const RateSubject& subject, Instant now);

}  // namespace weir
