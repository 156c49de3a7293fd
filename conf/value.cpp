#include "conf/value.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "conf/limits.h"

namespace weir {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

// Strips a prefix that says the base, as strtol does with base 0.
int take_base(std::string_view& digits) {
    if (digits.size() > 2 && digits[0] == '0' && lower(digits[1]) == 'x') {
        digits.remove_prefix(2);
        return 16;
    }
    return digits.size() > 1 && digits[0] == '0' ? 8 : 10;
}

std::string range_text(int64_t min, int64_t max) {
    return fmt::format("give a whole number from {} to {}", min, max);
}

}  // namespace

Result<int64_t> parse_integer(std::string_view text, int base, int64_t min, int64_t max) {
    std::string_view digits = text;
    const bool negative = !digits.empty() && digits.front() == '-';
    if (negative || (!digits.empty() && digits.front() == '+')) digits.remove_prefix(1);
    const int used_base = base == 0 ? take_base(digits) : base;
    uint64_t magnitude = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, problem] = std::from_chars(digits.data(), end, magnitude, used_base);
    if (digits.empty() || problem == std::errc::invalid_argument || stop != end) {
        const char* hint = used_base == 8 ? " (a leading 0 means octal)" : "";
        return fail("22023", fmt::format("not a whole number{}; {}", hint, range_text(min, max)));
    }
    constexpr uint64_t kMagnitudeMax = uint64_t{1} << 62;
    if (problem == std::errc::result_out_of_range || magnitude > kMagnitudeMax) {
        return fail("22023", "out of range; " + range_text(min, max));
    }
    const int64_t value =
        negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
    if (value < min || value > max) return fail("22023", "out of range; " + range_text(min, max));
    return value;
}

Result<Duration> parse_seconds(std::string_view text) {
    std::string_view digits = text;
    if (!digits.empty() && digits.front() == '+') digits.remove_prefix(1);
    double seconds = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, problem] = std::from_chars(digits.data(), end, seconds);
    if (digits.empty() || problem == std::errc::invalid_argument || stop != end) {
        return fail("22023",
                    "not a time; give seconds as a number without unit, such as 15 or 0.5");
    }
    const bool in_range = problem == std::errc() && std::isfinite(seconds) && seconds >= 0 &&
                          seconds <= static_cast<double>(kTimeoutSecondsMax);
    if (!in_range) {
        return fail("22023",
                    fmt::format("out of range; give seconds from 0 to {}", kTimeoutSecondsMax));
    }
    return Duration(std::llround(seconds * 1e6));
}

std::string seconds_text(Duration duration) {
    const int64_t us = duration.count();
    const int64_t fraction = us % 1'000'000;
    if (fraction == 0) return fmt::format("{}", us / 1'000'000);
    std::string text = fmt::format("{}.{:06}", us / 1'000'000, fraction);
    text.erase(text.find_last_not_of('0') + 1);
    return text;
}

Result<int> parse_word(std::string_view text, std::span<const Word> words) {
    std::string known;
    for (const Word& word : words) {
        if (equal_ignoring_case(text, word.text)) return word.value;
        known += known.empty() ? "" : ", ";
        known += word.text;
    }
    return fail("22023", "not a known word; give one of " + known);
}

const char* word_text(int value, std::span<const Word> words) {
    for (const Word& word : words) {
        if (word.value == value) return word.text;
    }
    return "unknown";  // uncovered: every enumerator has a word
}

std::vector<std::string> split_list(std::string_view text) {
    constexpr std::string_view kBlanks = " \t";
    std::vector<std::string> items;
    while (!text.empty()) {
        const size_t comma = text.find(',');
        std::string_view item = text.substr(0, comma);
        text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
        const size_t first = item.find_first_not_of(kBlanks);
        if (first == std::string_view::npos) continue;
        items.emplace_back(item.substr(first, item.find_last_not_of(kBlanks) - first + 1));
    }
    return items;
}

std::string join_list(const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) {
        if (!text.empty()) text += ',';
        text += item;
    }
    return text;
}

size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 1; i <= a.size(); ++i) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates) {
    constexpr size_t kTextMax = 64;  // no option is nearly as long; keeps the comparison cheap
    if (text.size() > kTextMax) return {};
    std::string lowered(text);
    std::transform(lowered.begin(), lowered.end(), lowered.begin(), lower);
    size_t best = std::max<size_t>(2, text.size() / 3) + 1;
    std::string_view nearest;
    for (const std::string_view candidate : candidates) {
        const size_t shorter = std::min(candidate.size(), lowered.size());
        const size_t longer = std::max(candidate.size(), lowered.size());
        if (longer - shorter >= best) continue;  // so many edits at least
        const size_t distance = edit_distance(lowered, candidate);
        if (distance >= best) continue;
        best = distance;
        nearest = candidate;
    }
    return nearest.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", nearest);
}

}  // namespace weir
