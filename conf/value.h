// Text and value, for the few kinds of values a configuration holds. Shared by the option table and
// by the entries of [databases], [users] and [peers]. Messages say what was wrong and what would be
// right. Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/clock.h"
#include "protocol/base/result.h"

namespace weir {

// One word of an enumeration: how it is written, what it stands for.
struct Word {
    const char* text;
    int value;
};

// A whole number. Base 0 takes 0x10 and 010 (octal) as C does; base 10 takes decimal digits only.
Result<int64_t> parse_integer(std::string_view text, int base, int64_t min, int64_t max);

// Seconds, with a fraction if wanted, rounded to microseconds; no units.
Result<Duration> parse_seconds(std::string_view text);
// As parse_seconds reads it back: "15", "0.5".
std::string seconds_text(Duration duration);

// One of `words`, in any letter case.
Result<int> parse_word(std::string_view text, std::span<const Word> words);
const char* word_text(int value, std::span<const Word> words);

// "a, b,c": blanks around items and empty items are dropped.
std::vector<std::string> split_list(std::string_view text);
std::string join_list(const std::vector<std::string>& items);

// How many single-character edits turn one into the other; for "did you mean".
size_t edit_distance(std::string_view a, std::string_view b);
// `; did you mean "x"?` for the candidate closest to `text`, or nothing when none is close.
std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates);

}  // namespace weir
