// The words of the console's language: what stands between blanks and comments, and where. Used by
// command_parser (the commands) and show_clauses (what follows SHOW).
//
//   Word        [A-Za-z0-9_.$-]+, or any byte above ASCII
//   QuotedWord  "any ""text"""
//   String      'any ''text'''
//   Mark        = ; , ( ) < > <= >= <> !=
//
// Thread: any (pure). Both borrow the query's text.
#pragma once

#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace weir {

struct Token {
    enum class Kind : uint8_t { End, Word, QuotedWord, String, Mark };
    Kind kind = Kind::End;
    std::string text;  // without its quotes
    size_t begin = 0;  // bytes of the query
    size_t end = 0;

    [[nodiscard]] bool is_mark(std::string_view mark) const {
        return kind == Kind::Mark && text == mark;
    }
    [[nodiscard]] bool is_word() const { return kind == Kind::Word || kind == Kind::QuotedWord; }
    // A keyword may not be quoted.
    [[nodiscard]] bool is_keyword(std::string_view keyword) const;
};

class Lexer {
  public:
    explicit Lexer(std::string_view query) : query_(query) {}

    // An error names the place.
    Result<Token> next();

    // Whether that keyword comes next, blanks aside; then it is behind us.
    bool take_keyword(std::string_view keyword);
    // All that is left, without blanks before it; then we are at the end.
    std::string_view take_rest();

    // The character at that byte, from 1.
    [[nodiscard]] size_t place(size_t byte) const;
    // `what at character N, near "..."`; the quote runs to the next blank, at most 20 characters.
    [[nodiscard]] tl::unexpected<Error> error_at(size_t byte, std::string_view what) const;

  private:
    [[nodiscard]] bool is_at(std::string_view text) const;
    [[nodiscard]] size_t skip_space() const;
    Status skip_blanks();
    Status skip_comment();
    Result<Token> quoted(char quote);
    [[nodiscard]] size_t mark_bytes() const;

    const std::string_view query_;
    size_t at_ = 0;
};

// A lexer and the token that comes next.
class TokenStream {
  public:
    explicit TokenStream(std::string_view query) : lexer(query) {}

    // To the next token; also before the first one is looked at.
    Status move();
    // If the keyword, or the mark, comes next, it is behind us and `taken` is true.
    Status take_keyword(std::string_view keyword, bool& taken);
    Status take_mark(std::string_view mark, bool& taken);
    [[nodiscard]] bool is_at_end() const {
        return token.kind == Token::Kind::End || token.is_mark(";");
    }
    [[nodiscard]] tl::unexpected<Error> syntax_error() const {
        return lexer.error_at(token.begin, "syntax error");
    }

    Lexer lexer;
    Token token;
    size_t last_end = 0;  // of the token before, in bytes
};

}  // namespace weir
