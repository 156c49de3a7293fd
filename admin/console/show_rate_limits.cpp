// SHOW RATE_LIMITS: the rate limits in force, and what came of them.
#include <optional>
#include <utility>

#include "admin/console/show_specs.h"

namespace weir {

namespace {

constexpr size_t kHottestKeys = 5;

constexpr ResultColumn kRateLimitsColumns[] = {
    {"name"},
    {"at"},
    {"key"},
    {"rate"},
    {"burst", ColumnType::Int4},
    {"concurrency", ColumnType::Int4},
    {"bytes_per_second", ColumnType::Int8},
    {"action"},
    {"max_delay_ms", ColumnType::Int4},
    {"allowed", ColumnType::Int8},
    {"delayed", ColumnType::Int8},
    {"rejected", ColumnType::Int8},
    {"logged", ColumnType::Int8},
    {"keys", ColumnType::Int4},
    {"overflowed", ColumnType::Int8},
    {"hottest_keys"},
};

// "user=app 120/5 (3), user=batch 7/0": allowed/rejected since the key came, and in brackets how
// many transactions it has under way, if any.
std::string hottest(const RateRule& rule) {
    std::string text;
    for (const RateTable::HotKey& key : rule.table().hottest(kHottestKeys)) {
        text += (text.empty() ? "" : ", ") + key.text + " " + std::to_string(key.allowed) + "/" +
                std::to_string(key.refused);
        if (key.held > 0) text += " (" + std::to_string(key.held) + ")";
    }
    return text;
}

template <typename Number>
Cell if_set(Number number, bool is_set) {
    return is_set ? Cell(number) : Cell();
}

Cells row_of(const RateRule& rule) {
    const RateLimitConfig& config = rule.config();
    const RateRule::Totals totals = rule.totals();
    const bool has_rate = config.rate_events > 0;
    const bool has_delay = rule.action() == RateAction::Delay;
    return {config.name,
            to_string(*config.at),
            key_text(config),
            has_rate ? Cell(rate_text(config)) : Cell(),
            if_set(effective_burst(config), has_rate),
            if_set(config.concurrency, config.concurrency > 0),
            if_set(config.bytes_per_second, config.bytes_per_second > 0),
            to_string(rule.action()),
            if_set(config.max_delay.count() / 1000, has_delay),
            totals.allowed,
            totals.delayed,
            totals.rejected,
            totals.logged,
            rule.table().size(),
            rule.table().overflows(),
            hottest(rule)};
}

// The options about wrong passwords as one more limit, when one of them is set.
std::optional<Cells> row_of(const GlobalConfig& global, AuthFailures& failures) {
    const bool is_limited = global.auth_failures_max > 0;
    const bool is_delayed = global.auth_failure_delay.count() > 0;
    if (!is_limited && !is_delayed) return std::nullopt;
    const AuthFailureLimit limit{global.auth_failures_max, global.auth_failures_window};
    const AuthFailures::Totals totals = failures.totals();
    return Cells{"auth_failures",
                 "password",
                 "address, user",
                 is_limited ? Cell(limit.text()) : Cell(),
                 Cell(),
                 Cell(),
                 Cell(),
                 is_limited ? "reject" : "delay",
                 if_set(global.auth_failure_delay.count() / 1000, is_delayed),
                 totals.failed,
                 totals.delayed,
                 totals.refused,
                 0,
                 totals.keys,
                 totals.overflows,
                 Cell()};
}

void show_rate_limits(const ShowInput& input, CommandOutcome& outcome) {
    const RateRulesPtr rules = input.inspector.rate_rules();
    for (const RatePoint point : {RatePoint::Accept, RatePoint::Login, RatePoint::Transaction}) {
        for (const RateRulePtr& rule : rules->at(point))
            outcome.rows.push_back(row_of(*rule));
    }
    auto passwords = row_of(input.config->global, input.inspector.auth_failures());
    if (passwords) outcome.rows.push_back(std::move(*passwords));
}

}  // namespace

constinit const ShowSpec kShowRateLimits = {
    .topic = "RATE_LIMITS", .columns = kRateLimitsColumns, .fill = show_rate_limits};

}  // namespace weir
