#include "proxy/prepared/forgetting.h"

#include <algorithm>

#include "protocol/base/lower_case.h"

namespace weir {

namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";
constexpr std::string_view kSpaceOrEnd = " \t\r\n\f\v;";
constexpr size_t kNameBytesMax = 63;  // NAMEDATALEN - 1

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

bool starts_with_setting(std::string_view text) {
    return starts_with_word(text, "set") || starts_with_word(text, "reset");
}

// `sql` from its first word on, empty when there is none.
std::string_view from_first_word(std::string_view sql) {
    return sql.substr(std::min(sql.find_first_not_of(kSpaceOrEnd), sql.size()));
}

// Of a text that begins with a word: that word tells what all of it is, there being neither a
// second statement nor a comment in front.
bool is_told_by_first_word(std::string_view sql) {
    const size_t semicolon = sql.find(';');
    return sql[0] != '-' && sql[0] != '/' &&
           (semicolon == std::string_view::npos ||
            sql.find_first_not_of(kSpaceOrEnd, semicolon) == std::string_view::npos);
}

// Whether a word is inside a comment or a literal is not worth knowing.
bool is_anywhere(std::string_view sql, bool (*starts_with)(std::string_view)) {
    for (; !sql.empty(); sql.remove_prefix(1)) {
        if (starts_with(sql)) return true;
    }
    return false;
}

bool is_in_name(char c) {
    const auto byte = static_cast<unsigned char>(c);
    const char folded = lower(c);
    return (folded >= 'a' && folded <= 'z') || c == '_' || byte >= 0x80;
}

// Takes `word`, which must be followed by a space or a quote, off the front of `text`, and the
// space behind it. False, and nothing is taken, when it is not there.
bool take_word(std::string_view& text, std::string_view word) {
    if (!starts_with_word(text, word) || text.size() == word.size()) return false;
    const char behind = text[word.size()];
    if (behind != '"' && kSpace.find(behind) == std::string_view::npos) return false;
    text.remove_prefix(word.size());
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    return true;
}

std::optional<std::string> unquoted(std::string_view text) {
    if (text.size() < 2 || text.back() != '"') return std::nullopt;
    text = text.substr(1, text.size() - 2);
    std::string name;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"' && (++i == text.size() || text[i] != '"')) return std::nullopt;
        name += text[i];
    }
    return name;
}

std::optional<std::string> folded(std::string_view text) {
    const bool is_name = is_in_name(text[0]) && std::all_of(text.begin(), text.end(), [](char c) {
                             return is_in_name(c) || (c >= '0' && c <= '9') || c == '$';
                         });
    std::string name = lower_case(text);
    if (!is_name || name == "all") return std::nullopt;
    return name;
}

}  // namespace

std::optional<std::string> deallocated_name(std::string_view sql) {
    sql = from_first_word(sql);
    sql = sql.substr(0, sql.find_last_not_of(kSpaceOrEnd) + 1);
    if (!take_word(sql, "deallocate")) return std::nullopt;
    (void)take_word(sql, "prepare");
    if (sql.empty()) return std::nullopt;
    std::optional<std::string> name = sql[0] == '"' ? unquoted(sql) : folded(sql);
    if (name && (name->empty() || name->size() > kNameBytesMax)) return std::nullopt;
    return name;
}

Effects effects_of(std::string_view sql) {
    sql = from_first_word(sql);
    if (sql.empty()) return {};
    if (is_told_by_first_word(sql)) {
        const bool may_forget = starts_with_forgetting(sql) && !deallocated_name(sql).has_value();
        return {may_forget, starts_with_setting(sql)};
    }
    return {is_anywhere(sql, starts_with_forgetting), is_anywhere(sql, starts_with_setting)};
}

// What is created may take the place of something of the same name: a temporary table does, and
// whatever comes first in search_path. By the first letter, as every command comes this way.
bool may_change_statements(std::string_view tag) {
    switch (tag.empty() ? '\0' : tag.front()) {
        case 'A': return tag.starts_with("ALTER ");
        case 'C': return tag.starts_with("CREATE ");
        case 'D': return tag.starts_with("DROP ");
        default: return false;
    }
}

}  // namespace weir
