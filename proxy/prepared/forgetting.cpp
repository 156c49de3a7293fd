#include "proxy/prepared/forgetting.h"

#include <algorithm>

namespace weir {

namespace {

constexpr std::string_view kSpaceOrEnd = " \t\r\n\f\v;";

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool starts_with_word(std::string_view text, std::string_view word) {
    return text.size() >= word.size() &&
           std::equal(word.begin(), word.end(), text.begin(),
                      [](char wanted, char c) { return lower(c) == wanted; });
}

bool starts_with_forgetting(std::string_view text) {
    return starts_with_word(text, "deallocate") || starts_with_word(text, "discard");
}

}  // namespace

bool may_forget_statements(std::string_view sql) {
    const size_t start = sql.find_first_not_of(kSpaceOrEnd);
    if (start == std::string_view::npos) return false;
    sql.remove_prefix(start);
    const size_t semicolon = sql.find(';');
    const bool is_single = semicolon == std::string_view::npos ||
                           sql.find_first_not_of(kSpaceOrEnd, semicolon) == std::string_view::npos;
    const bool has_comment_first = sql[0] == '-' || sql[0] == '/';
    if (is_single && !has_comment_first) return starts_with_forgetting(sql);
    // Whether a word is inside a comment or a literal is not worth knowing.
    while (!sql.empty()) {
        if (lower(sql[0]) == 'd' && starts_with_forgetting(sql)) return true;
        sql.remove_prefix(1);
    }
    return false;
}

}  // namespace weir
