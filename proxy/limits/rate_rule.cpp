#include "proxy/limits/rate_rule.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "conf/limits.h"
#include "protocol/base/random.h"

namespace weir {

namespace {

bool has_part(const RateLimitConfig& config, RateKeyPart part) {
    return std::count(config.key.begin(), config.key.end(), part) > 0;
}

GcraLimit events_of(const RateLimitConfig& config) {
    const auto burst = static_cast<uint64_t>(effective_burst(config));
    return GcraLimit::of(config.rate_events, config.rate_per, burst);
}

std::string part_text(RateKeyPart part, const RateLimitConfig& config, const RateSubject& subject) {
    switch (part) {
        case RateKeyPart::Address: {
            const AddressBytes& address = subject.address;
            const int prefix =
                address.family == 4 ? config.address_prefix4 : config.address_prefix6;
            const std::string text = address.masked(prefix).text();
            if (prefix >= address.bits()) return "address=" + text;
            return fmt::format("address={}/{}", text, prefix);
        }
        case RateKeyPart::User: return fmt::format("user={}", subject.user);
        case RateKeyPart::Database: return fmt::format("database={}", subject.database);
        case RateKeyPart::ApplicationName:
            return fmt::format("application_name={}", subject.application_name);
        case RateKeyPart::QueryClass: break;  // added when it is known
    }
    return "";
}

// What SHOW and DETAIL call the class's part of a key; in the order of QueryClass.
constexpr std::string_view kClassTails[kQueryClasses] = {" query_class=read", " query_class=write",
                                                         " query_class=ddl", " query_class=copy",
                                                         " query_class=utility"};

void take_back(const RateRule& rule, const RateSubject& subject) {
    const std::string text = rule.key_of(subject);
    rule.table().take_back({rule.hash_of(text), text}, rule.bounds(), false);
}

}  // namespace

Error RateRefusal::error(std::string_view sqlstate) const {
    Error error(sqlstate, fmt::format("rate limit \"{}\" exceeded", rule));
    // Rounded up: who waits that long gets through, if nobody else comes first.
    error.detail = fmt::format("Rule \"{}\", key \"{}\", limit \"{}\", retry after {} ms.", rule,
                               key, limit, (retry_after.count() + 999) / 1000);
    return error;
}

RateRule::RateRule(const RateLimitConfig& config, const SipKey& secret, const RateRule* before)
    : config_(config),
      action_(effective_action(config)),
      secret_(secret),
      has_class_key_(has_part(config, RateKeyPart::QueryClass)),
      bounds_{events_of(config), config.bytes_per_second, config.concurrency} {
    if (before != nullptr) {
        counts_ = before->counts_;
        return;
    }
    // One key, or one for each class, needs no more than a set.
    const bool is_small = config.key.empty() || (config.key.size() == 1 && has_class_key_);
    counts_ = is_small ? std::make_shared<Counts>(RateTable::kWays, 1)
                       : std::make_shared<Counts>(static_cast<size_t>(config.keys_max), 64);
}

bool RateRule::concerns(const RateSubject& subject) const {
    return config_.addresses.matches(subject.address) &&
           config_.databases.matches(subject.database) && config_.users.matches(subject.user) &&
           config_.application_names.matches(subject.application_name);
}

bool RateRule::concerns(QueryClass query_class) const {
    const std::vector<QueryClass>& meant = config_.query_classes;
    return meant.empty() || std::count(meant.begin(), meant.end(), query_class) > 0;
}

// ---- keys ----

std::string RateRule::key_of(const RateSubject& subject) const {
    std::string text;
    for (const RateKeyPart part : config_.key) {
        const std::string one = part_text(part, config_, subject);
        if (!text.empty() && !one.empty()) text += ' ';
        text += one;
    }
    return text.empty() ? "all" : text;
}

uint64_t RateRule::hash_of(std::string_view key) const {
    return siphash(secret_, as_bytes(key));
}

RateKey RateRule::with_class(uint64_t hash, std::string_view key, QueryClass query_class) const {
    if (!has_class_key_) return {hash, key};
    const auto index = static_cast<size_t>(query_class);
    return {Prng(hash + index).next(), key, kClassTails[index]};
}

// ---- what came of it ----

RateRefusal RateRule::refusal(const RateKey& key, Limit limit, Duration retry_after) const {
    RateRefusal refusal;
    refusal.rule = config_.name;
    refusal.key = std::string(key.text) + std::string(key.tail);
    refusal.retry_after = retry_after;
    if (limit == Limit::Concurrency) {
        refusal.limit = fmt::format("{} at a time", config_.concurrency);
        return refusal;
    }
    if (config_.rate_events > 0) {
        refusal.limit = fmt::format("{}, burst {}", rate_text(config_), effective_burst(config_));
    }
    if (config_.bytes_per_second > 0) {
        refusal.limit += fmt::format("{}{} bytes/s", refusal.limit.empty() ? "" : "; ",
                                     config_.bytes_per_second);
    }
    return refusal;
}

void RateRule::note_rejected(const RateRefusal& refusal, Instant now) const {
    add(counts_->rejected);
    log("rejected", refusal, now);
}

void RateRule::note_logged(const RateRefusal& refusal, Instant now) const {
    add(counts_->logged);
    log("would be rejected", refusal, now);
}

void RateRule::log(const char* what, const RateRefusal& refusal, Instant now) const {
    const std::optional<uint64_t> suppressed = counts_->log_limit.admit(now);
    if (!suppressed) return;
    log::warning("rate limit \"{}\": {} {} (key \"{}\", limit \"{}\"; {} more not logged)",
                 refusal.rule, to_string(*config_.at), what, refusal.key, refusal.limit,
                 *suppressed);
}

RateRule::Totals RateRule::totals() const {
    return {counts_->allowed.load(std::memory_order_relaxed),
            counts_->delayed.load(std::memory_order_relaxed),
            counts_->rejected.load(std::memory_order_relaxed),
            counts_->logged.load(std::memory_order_relaxed)};
}

std::optional<RateRefusal> admit_arrival(const std::vector<RateRulePtr>& rules,
                                         const RateSubject& subject, Instant now) {
    static_assert(kRateLimitsMax <= 64);
    uint64_t admitted = 0;  // a bit for each rule
    for (size_t i = 0; i < rules.size(); ++i) {
        const RateRule& rule = *rules[i];
        if (!rule.concerns(subject)) continue;
        const std::string text = rule.key_of(subject);
        const RateKey key(rule.hash_of(text), text);
        const GcraDecision decision = rule.table().admit(key, now, rule.bounds(), Duration(0));
        if (decision.is_allowed) {
            admitted |= uint64_t{1} << i;
            continue;
        }
        RateRefusal refusal = rule.refusal(key, RateRule::Limit::Events, decision.retry_after);
        if (rule.action() == RateAction::Log) {
            rule.note_logged(refusal, now);
            continue;
        }
        rule.note_rejected(refusal, now);
        for (size_t earlier = 0; earlier < i; ++earlier) {
            if ((admitted >> earlier & 1) != 0) take_back(*rules[earlier], subject);
        }
        return refusal;
    }
    for (size_t i = 0; i < rules.size(); ++i) {
        if ((admitted >> i & 1) != 0) rules[i]->note_allowed();
    }
    return std::nullopt;
}

}  // namespace weir
