#include "admin/console/console_lexer.h"

#include <algorithm>

#include "proxy/server/parameters.h"

namespace weir {

namespace {

bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_word_char(char c) {
    const bool is_alphanumeric =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return is_alphanumeric || c == '_' || c == '.' || c == '$' || c == '-' ||
           static_cast<unsigned char>(c) >= 0x80;
}

// Characters of UTF-8 text: bytes that do not continue one.
size_t characters(std::string_view text) {
    const auto count = std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    });
    return static_cast<size_t>(count);
}

}  // namespace

bool Token::is_keyword(std::string_view keyword) const {
    return kind == Kind::Word && equals_ignoring_case(text, keyword);
}

Result<Token> Lexer::next() {
    if (Status skipped = skip_blanks(); !skipped) return tl::unexpected<Error>(skipped.error());
    Token token;
    token.begin = token.end = at_;
    if (at_ == query_.size()) return token;
    const char c = query_[at_];
    if (c == '"' || c == '\'') return quoted(c);
    if (const size_t bytes = mark_bytes(); bytes > 0) {
        token.kind = Token::Kind::Mark;
        at_ += bytes;
    } else {
        while (at_ < query_.size() && is_word_char(query_[at_]) && !is_at("--"))
            ++at_;
        if (at_ == token.begin) return error_at(at_, "syntax error");
        token.kind = Token::Kind::Word;
    }
    token.end = at_;
    token.text = query_.substr(token.begin, token.end - token.begin);
    return token;
}

// Of the mark that stands here; 0 = none does.
size_t Lexer::mark_bytes() const {
    for (const std::string_view mark : {"<=", ">=", "<>", "!="}) {
        if (is_at(mark)) return mark.size();
    }
    return std::string_view("=;,()<>").find(query_[at_]) == std::string_view::npos ? 0 : 1;
}

bool Lexer::take_keyword(std::string_view keyword) {
    const size_t begin = skip_space();
    size_t end = begin;
    while (end < query_.size() && is_word_char(query_[end]))
        ++end;
    if (!equals_ignoring_case(query_.substr(begin, end - begin), keyword)) return false;
    at_ = end;
    return true;
}

std::string_view Lexer::take_rest() {
    const size_t begin = skip_space();
    at_ = query_.size();
    return query_.substr(begin);
}

size_t Lexer::place(size_t byte) const {
    return characters(query_.substr(0, byte)) + 1;
}

tl::unexpected<Error> Lexer::error_at(size_t byte, std::string_view what) const {
    std::string message = std::string(what) + " at character " + std::to_string(place(byte));
    size_t end = byte;
    for (size_t left = 20; end < query_.size() && !is_blank(query_[end]); ++end) {
        const bool is_new_character = characters(query_.substr(end, 1)) == 1;
        if (is_new_character && left-- == 0) break;
    }
    const std::string_view near = query_.substr(byte, end - byte);
    message += near.empty() ? ": the command ends there" : ", near \"" + std::string(near) + "\"";
    return fail("08P01", std::move(message));
}

bool Lexer::is_at(std::string_view text) const {
    return query_.substr(at_, text.size()) == text;
}

size_t Lexer::skip_space() const {
    size_t at = at_;
    while (at < query_.size() && is_blank(query_[at]))
        ++at;
    return at;
}

Status Lexer::skip_blanks() {
    while (at_ < query_.size()) {
        if (is_blank(query_[at_])) {
            ++at_;
        } else if (is_at("--")) {
            at_ = std::min(query_.find('\n', at_), query_.size());
        } else if (is_at("/*")) {
            if (Status skipped = skip_comment(); !skipped) return skipped;
        } else {
            break;
        }
    }
    return {};
}

Status Lexer::skip_comment() {
    const size_t begin = at_;
    size_t depth = 0;
    do {
        const size_t mark = std::min(query_.find("/*", at_), query_.find("*/", at_));
        if (mark == std::string_view::npos) return error_at(begin, "comment without end");
        const bool is_opening = query_[mark] == '/';
        depth = is_opening ? depth + 1 : depth - 1;
        at_ = mark + 2;
    } while (depth > 0);
    return {};
}

// A quote inside is written twice.
Result<Token> Lexer::quoted(char quote) {
    Token token;
    token.kind = quote == '"' ? Token::Kind::QuotedWord : Token::Kind::String;
    token.begin = at_++;
    while (true) {
        const size_t end = query_.find(quote, at_);
        if (end == std::string_view::npos) {
            return error_at(token.begin,
                            quote == '"' ? "quoted name without end" : "quoted string without end");
        }
        token.text += query_.substr(at_, end - at_);
        at_ = end + 1;
        if (at_ == query_.size() || query_[at_] != quote) break;
        token.text += quote;
        ++at_;
    }
    token.end = at_;
    if (token.text.empty() && quote == '"') return error_at(token.begin, "empty name");
    return token;
}

Status TokenStream::move() {
    last_end = token.end;
    Result<Token> next = lexer.next();
    if (!next) return tl::unexpected<Error>(next.error());
    token = std::move(*next);
    return {};
}

Status TokenStream::take_keyword(std::string_view keyword, bool& taken) {
    taken = token.is_keyword(keyword);
    return taken ? move() : Status();
}

Status TokenStream::take_mark(std::string_view mark, bool& taken) {
    taken = token.is_mark(mark);
    return taken ? move() : Status();
}

}  // namespace weir
