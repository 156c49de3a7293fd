#include "conf/rate_limit_config.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>

#include "conf/words.h"

namespace weir {

const char* to_string(RatePoint point) {
    return word_text(static_cast<int>(point), kRatePointWords);
}

const char* to_string(RateKeyPart part) {
    return word_text(static_cast<int>(part), kRateKeyPartWords);
}

const char* to_string(QueryClass query_class) {
    return word_text(static_cast<int>(query_class), kQueryClassWords);
}

const char* to_string(RateAction action) {
    return word_text(static_cast<int>(action), kRateActionWords);
}

int effective_burst(const RateLimitConfig& limit) {
    if (limit.burst > 0 || limit.rate_per.count() == 0) return std::max(limit.burst, 1);
    const auto seconds = static_cast<uint64_t>(limit.rate_per.count() / 1'000'000);
    const uint64_t a_second = limit.rate_events / seconds;
    return static_cast<int>(std::clamp<uint64_t>(a_second, 1, std::numeric_limits<int32_t>::max()));
}

std::string rate_text(const RateLimitConfig& limit) {
    if (limit.rate_events == 0) return "";
    const char* unit = limit.rate_per == std::chrono::minutes(1) ? "min"
                       : limit.rate_per == std::chrono::hours(1) ? "h"
                                                                 : "s";
    return fmt::format("{}/{}", limit.rate_events, unit);
}

std::string key_text(const RateLimitConfig& limit) {
    std::string text;
    for (const RateKeyPart part : limit.key) {
        text += text.empty() ? "" : ", ";
        text += to_string(part);
    }
    return text;
}

bool counts_alike(const RateLimitConfig& a, const RateLimitConfig& b) {
    const bool is_by_address = std::count(a.key.begin(), a.key.end(), RateKeyPart::Address) > 0;
    const bool has_same_prefix =
        a.address_prefix4 == b.address_prefix4 && a.address_prefix6 == b.address_prefix6;
    return a.at == b.at && a.key == b.key && (!is_by_address || has_same_prefix) &&
           a.addresses == b.addresses && a.databases == b.databases && a.users == b.users &&
           a.application_names == b.application_names && a.query_classes == b.query_classes;
}

bool keeps_counts(const RateLimitConfig& from, const RateLimitConfig& to) {
    return counts_alike(from, to) && from.keys_max == to.keys_max;
}

}  // namespace weir
