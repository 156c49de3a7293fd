#include "proxy/routing/sql_shape.h"

#include <algorithm>
#include <array>

namespace weir {
namespace {

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Bytes above 127 are letters to PostgreSQL.
bool is_word_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}

bool is_word_part(char c) {
    return is_word_start(c) || is_digit(c) || c == '$';
}

bool is_word(std::string_view text, std::string_view lower) {
    return text.size() == lower.size() &&
           std::equal(text.begin(), text.end(), lower.begin(), [](char c, char wanted) {
               return c == wanted || (c >= 'A' && c <= 'Z' && c + ('a' - 'A') == wanted);
           });
}

enum class TokenKind : uint8_t { End, Word, Open, Close, Comma, Semicolon, Other };

struct Token {
    TokenKind kind = TokenKind::End;
    std::string_view text;
};

class Lexer {
  public:
    explicit Lexer(std::string_view sql) : sql_(sql) {}

    Token next() {
        skip_space_and_comments();
        const size_t start = at_;
        const TokenKind kind = take();
        return {kind, sql_.substr(start, at_ - start)};
    }

  private:
    [[nodiscard]] char peek(size_t ahead = 0) const {
        return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0';
    }

    void skip_space_and_comments() {
        while (at_ < sql_.size()) {
            if (is_space(peek())) {
                ++at_;
            } else if (peek() == '-' && peek(1) == '-') {
                at_ = std::min(sql_.find_first_of("\r\n", at_), sql_.size());
            } else if (peek() == '/' && peek(1) == '*') {
                skip_comment();
            } else {
                return;
            }
        }
    }

    void skip_comment() {  // they nest
        size_t open = 0;
        while (at_ < sql_.size()) {
            if (peek() == '/' && peek(1) == '*') {
                ++open;
                at_ += 2;
            } else if (peek() == '*' && peek(1) == '/') {
                at_ += 2;
                if (--open == 0) return;
            } else {
                ++at_;
            }
        }
        at_ = std::min(at_, sql_.size());
    }

    TokenKind take() {
        if (at_ >= sql_.size()) return TokenKind::End;
        const char c = peek();
        if (is_word_start(c)) return take_word();
        if (is_digit(c)) {  // a letter behind it begins a token; 1.5 and 1e5 may count twice
            while (is_digit(peek()))
                ++at_;
            return TokenKind::Other;
        }
        if (c == '\'' || c == '"') return take_quoted(c);
        if (c == '$') return take_dollar();
        ++at_;
        switch (c) {
            case '(':
            case '[': return TokenKind::Open;
            case ')':
            case ']': return TokenKind::Close;
            case ',': return TokenKind::Comma;
            case ';': return TokenKind::Semicolon;
            default: return TokenKind::Other;
        }
    }

    TokenKind take_word() {
        const size_t start = at_;
        while (is_word_part(peek()))
            ++at_;
        const std::string_view word = sql_.substr(start, at_ - start);
        if (peek() == '\'' && is_word(word, "e")) return take_escaped();
        return TokenKind::Word;  // of B'', N'' and U&'' the quotes are a token of their own
    }

    TokenKind take_quoted(char quote) {
        ++at_;
        while (at_ < sql_.size()) {
            if (sql_[at_++] != quote) continue;
            if (peek() != quote) break;
            ++at_;
        }
        return TokenKind::Other;
    }

    // E'…', which also goes on in the quotes of a later line, with backslashes as before.
    TokenKind take_escaped() {
        do {
            ++at_;
            while (at_ < sql_.size()) {
                const char c = sql_[at_++];
                if (c == '\\') {
                    ++at_;
                } else if (c == '\'') {
                    if (peek() != '\'') break;
                    ++at_;
                }
            }
        } while (is_continued());
        at_ = std::min(at_, sql_.size());
        return TokenKind::Other;
    }

    // Whether a quote follows behind a line's end, space and comments; if so, goes there.
    bool is_continued() {
        size_t at = at_;
        bool has_newline = false;
        while (at < sql_.size()) {
            if (is_space(sql_[at])) {
                has_newline = has_newline || sql_[at] == '\n' || sql_[at] == '\r';
                ++at;
            } else if (sql_.substr(at, 2) == "--") {
                at = std::min(sql_.find_first_of("\r\n", at), sql_.size());
            } else {
                break;
            }
        }
        if (!has_newline || at >= sql_.size() || sql_[at] != '\'') return false;
        at_ = at;
        return true;
    }

    // $tag$ … $tag$, else $1 or a lone dollar sign.
    TokenKind take_dollar() {
        size_t end = at_ + 1;
        if (end < sql_.size() && is_word_start(sql_[end])) {
            while (end < sql_.size() && sql_[end] != '$' && is_word_part(sql_[end]))
                ++end;
        }
        if (end >= sql_.size() || sql_[end] != '$') {
            ++at_;
            return TokenKind::Other;
        }
        const std::string_view tag = sql_.substr(at_, end + 1 - at_);
        const size_t close = sql_.find(tag, end + 1);
        at_ = close == std::string_view::npos ? sql_.size() : close + tag.size();
        return TokenKind::Other;
    }

    std::string_view sql_;
    size_t at_ = 0;
};

struct Level {
    uint32_t tokens = 0;      // of the element of a list that is being read
    uint32_t most = 0;        // of the elements before
    uint32_t operations = 0;  // UNION, INTERSECT, EXCEPT

    [[nodiscard]] uint32_t bound() const { return std::max(tokens, most) + operations; }
    void end_element() {
        most = std::max(most, tokens);
        tokens = 0;
    }
};

bool is_set_operation(std::string_view word) {
    return is_word(word, "union") || is_word(word, "intersect") || is_word(word, "except");
}

}  // namespace

SqlShape shape_of(std::string_view sql) {
    SqlShape shape;
    Lexer lexer(sql);
    std::array<Level, kParenthesesMax> levels{};
    size_t depth = 0;
    bool is_at_start = true;
    for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
        if (token.kind != TokenKind::Semicolon) shape.is_empty = false;
        if (is_at_start && token.kind != TokenKind::Semicolon && token.text != "(") {
            if (token.kind == TokenKind::Word) shape.first_word = token.text;
            is_at_start = false;
        }
        Level& level = levels[depth];
        if (token.kind == TokenKind::Comma) {
            level.end_element();
        } else if (token.kind == TokenKind::Open) {
            if (++depth == levels.size()) {
                shape.depth_bound = kDepthBeyond;
                return shape;
            }
            levels[depth] = Level();
        } else if (token.kind == TokenKind::Close && depth > 0) {
            levels[--depth].tokens += level.bound() + 1;
        } else {
            if (token.kind == TokenKind::Word && is_set_operation(token.text)) ++level.operations;
            ++level.tokens;
        }
    }
    for (; depth > 0; --depth)  // left open: no statement, but it was asked
        levels[depth - 1].tokens += levels[depth].bound() + 1;
    shape.depth_bound = levels[0].bound();
    return shape;
}

}  // namespace weir
