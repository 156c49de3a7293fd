#include "conf/rate_limit_sections.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "conf/limits.h"

namespace weir {

namespace {

bool is_known_at(RateKeyPart part, RatePoint point) {
    if (part == RateKeyPart::Address) return true;
    if (part == RateKeyPart::QueryClass) return point == RatePoint::Transaction;
    return point != RatePoint::Accept;
}

const char* points_that_know(RateKeyPart part) {
    return part == RateKeyPart::QueryClass ? "at = transaction" : "at = login or transaction";
}

void check_what_is_known(const RateLimitConfig& limit, std::vector<std::string>& problems) {
    const auto check = [&](const char* what, bool is_used, RateKeyPart part) {
        if (!is_used || is_known_at(part, *limit.at)) return;
        problems.push_back(
            fmt::format("{} cannot be {}, which is not known at {}; write {}, or remove it", what,
                        to_string(part), to_string(*limit.at), points_that_know(part)));
    };
    for (const RateKeyPart part : limit.key)
        check("key", true, part);
    check("a filter", !limit.databases.is_empty(), RateKeyPart::Database);
    check("a filter", !limit.users.is_empty(), RateKeyPart::User);
    check("a filter", !limit.application_names.is_empty(), RateKeyPart::ApplicationName);
    check("a filter", !limit.query_classes.empty(), RateKeyPart::QueryClass);
}

void check_limits(const RateLimitConfig& limit, std::vector<std::string>& problems) {
    const bool is_transaction = *limit.at == RatePoint::Transaction;
    if (limit.rate_events == 0 && limit.concurrency == 0 && limit.bytes_per_second == 0) {
        problems.emplace_back(is_transaction
                                  ? "limits nothing; give rate, concurrency or bytes_per_second"
                                  : "limits nothing; give a rate");
    }
    if (limit.burst > 0 && limit.rate_events == 0) {
        problems.emplace_back("has burst but no rate; give a rate, or remove burst");
    }
    if (is_transaction) return;
    const char* point = to_string(*limit.at);
    if (limit.concurrency > 0) {
        problems.push_back(fmt::format(
            "concurrency counts transactions, not what is asked at {}; write at = transaction, or "
            "use max_client_conn and its like",
            point));
    }
    if (limit.bytes_per_second > 0) {
        problems.push_back(
            fmt::format("bytes_per_second is of transactions, not of what is asked "
                        "at {}; write at = transaction",
                        point));
    }
    if (limit.action == RateAction::Delay) {
        problems.push_back(fmt::format(
            "nothing is delayed at {}; write action = reject or log, or at = transaction", point));
    }
}

}  // namespace

std::vector<std::string> contradictions(const RateLimitConfig& limit) {
    std::vector<std::string> problems;
    if (!limit.at) {
        problems.emplace_back(
            "does not say where it is asked; add at = accept, login or transaction");
        return problems;
    }
    check_what_is_known(limit, problems);
    check_limits(limit, problems);
    return problems;
}

void RateLimitSections::open(std::string_view name, const IniPlace& at) {
    open_ = name;
    Definition definition{begin_rate_limit(name), at};
    tell(definition, at);
    definitions_.insert_or_assign(open_, std::move(definition));
}

void RateLimitSections::setting(std::string_view key, std::string_view value, const IniPlace& at) {
    Definition& definition = definitions_.at(open_);  // a header came before, whatever its name
    set_rate_limit(definition.parsed, key, value);
    tell(definition, at);
}

void RateLimitSections::resolve(Config& config) {
    for (auto& [name, definition] : definitions_) {
        if (definition.is_sound) check(definition);
        config.rate_limits.insert_or_assign(name, definition.parsed.entry);
    }
    if (definitions_.size() <= kRateLimitsMax) return;
    const IniPlace& at = definitions_.begin()->second.at;
    add_error(errors_, {at.file, at.line,
                        fmt::format("{} rate limits are too many; give at most {}",
                                    definitions_.size(), kRateLimitsMax)});
}

// Against what it says itself, and against those before it in the alphabet.
void RateLimitSections::check(const Definition& definition) {
    const RateLimitConfig& limit = definition.parsed.entry;
    const IniPlace& at = definition.at;
    const std::vector<std::string> problems = contradictions(limit);
    for (const std::string& problem : problems) {
        add_error(errors_, {at.file, at.line, fmt::format("{}: {}", title(limit), problem)});
    }
    if (!problems.empty()) return;
    for (const auto& [name, other] : definitions_) {
        if (name >= limit.name) return;
        if (!other.is_sound || !counts_alike(other.parsed.entry, limit)) continue;
        add_error(
            errors_,
            {at.file, at.line,
             fmt::format("{}: has the same at, key and filters as \"{}\" ({}:{}); keep one of "
                         "them, with the limits of both",
                         title(limit), name, other.at.file, other.at.line)});
        return;
    }
}

void RateLimitSections::tell(Definition& definition, const IniPlace& at) {
    std::vector<std::string>& problems = definition.parsed.problems;
    for (std::string& problem : problems) {
        definition.is_sound = false;
        add_error(errors_, {at.file, at.line, std::move(problem)});
    }
    problems.clear();  // told once: a section goes on after it
}

}  // namespace weir
