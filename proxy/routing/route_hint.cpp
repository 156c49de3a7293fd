#include "proxy/routing/route_hint.h"

#include <algorithm>

namespace weir {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\f\v";
constexpr std::string_view kSeparators = " \t\r\n\f\v,";
constexpr std::string_view kMark = "weir:";

void skip(std::string_view& text, std::string_view characters) {
    text.remove_prefix(std::min(text.find_first_not_of(characters), text.size()));
}

}  // namespace

RouteHint route_hint(std::string_view sql) {
    RouteHint hint;
    skip(sql, kBlanks);
    if (!sql.starts_with("/*")) return hint;  // nearly always
    sql = sql.substr(2, kHintBytesMax);
    skip(sql, kBlanks);
    const size_t end = sql.find("*/");
    if (!sql.starts_with(kMark) || end == std::string_view::npos) return hint;
    std::string_view words = sql.substr(kMark.size(), end - kMark.size());
    for (skip(words, kSeparators); !words.empty(); skip(words, kSeparators)) {
        const std::string_view word = words.substr(0, words.find_first_of(kSeparators));
        words.remove_prefix(word.size());
        if (word == "primary") {
            hint.target = HintTarget::Primary;
        } else if (word == "replica") {
            if (hint.target == HintTarget::None) hint.target = HintTarget::Replica;
        } else if (hint.unknown_words < UINT8_MAX) {
            ++hint.unknown_words;
        }
    }
    return hint;
}

}  // namespace weir
