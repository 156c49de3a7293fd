#include "proxy/limits/query_class.h"

#include <algorithm>
#include <array>

namespace weir {

namespace {

struct Keyword {
    std::string_view word;
    QueryClass query_class;
};

constexpr Keyword kKeywords[] = {
    {"select", QueryClass::Read},  {"with", QueryClass::Read},    {"table", QueryClass::Read},
    {"values", QueryClass::Read},  {"show", QueryClass::Read},    {"explain", QueryClass::Read},
    {"fetch", QueryClass::Read},   {"insert", QueryClass::Write}, {"update", QueryClass::Write},
    {"delete", QueryClass::Write}, {"merge", QueryClass::Write},  {"truncate", QueryClass::Write},
    {"create", QueryClass::Ddl},   {"alter", QueryClass::Ddl},    {"drop", QueryClass::Ddl},
    {"grant", QueryClass::Ddl},    {"revoke", QueryClass::Ddl},   {"comment", QueryClass::Ddl},
    {"reindex", QueryClass::Ddl},  {"refresh", QueryClass::Ddl},  {"security", QueryClass::Ddl},
    {"import", QueryClass::Ddl},   {"reassign", QueryClass::Ddl}, {"copy", QueryClass::Copy},
};

bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// Takes a comment off the beginning of `sql`, one without an end whole. False: there is none.
bool skip_comment(std::string_view& sql) {
    if (sql.starts_with("--")) {
        sql.remove_prefix(std::min(sql.find('\n'), sql.size()));
        return true;
    }
    if (!sql.starts_with("/*")) return false;
    size_t depth = 0;
    do {
        const size_t mark = std::min(sql.find("/*"), sql.find("*/"));
        if (mark == std::string_view::npos) {
            sql = {};
            return true;
        }
        depth += sql[mark] == '/' ? 1 : size_t(-1);
        sql.remove_prefix(mark + 2);
    } while (depth > 0);
    return true;
}

// The first word in small letters; cut when it is longer than any keyword, so that it is none.
class FirstWord {
  public:
    explicit FirstWord(std::string_view sql) {
        for (const char c : sql) {
            const bool is_upper = c >= 'A' && c <= 'Z';
            const bool is_lower = c >= 'a' && c <= 'z';
            const bool goes_on = (c >= '0' && c <= '9') || c == '_';
            if ((!is_upper && !is_lower && !goes_on) || size_ == letters_.size()) break;
            letters_[size_++] = is_upper ? static_cast<char>(c - 'A' + 'a') : c;
        }
    }
    [[nodiscard]] std::string_view view() const { return {letters_.data(), size_}; }

  private:
    std::array<char, 16> letters_{};
    size_t size_ = 0;
};

}  // namespace

QueryClass query_class_of(std::string_view sql) {
    while (!sql.empty()) {
        const char c = sql.front();
        if (is_blank(c) || c == '(' || c == ';') {
            sql.remove_prefix(1);
        } else if (!skip_comment(sql)) {
            break;
        }
    }
    const FirstWord word(sql);
    const auto* const found =
        std::find_if(std::begin(kKeywords), std::end(kKeywords),
                     [&](const Keyword& keyword) { return keyword.word == word.view(); });
    return found == std::end(kKeywords) ? QueryClass::Utility : found->query_class;
}

}  // namespace weir
