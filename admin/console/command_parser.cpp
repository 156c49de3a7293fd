#include "admin/console/command_parser.h"

#include <algorithm>

#include "proxy/server/parameters.h"

namespace weir {

namespace {

struct Token {
    enum class Kind : uint8_t { End, Word, QuotedWord, String, Mark };  // Mark: one of = ; ,
    Kind kind = Kind::End;
    std::string text;
    size_t begin = 0;  // bytes of the query
    size_t end = 0;

    [[nodiscard]] bool is_mark(char mark) const { return kind == Kind::Mark && text[0] == mark; }
    [[nodiscard]] bool is_word() const { return kind == Kind::Word || kind == Kind::QuotedWord; }
    // A keyword may not be quoted.
    [[nodiscard]] bool is_keyword(std::string_view keyword) const {
        return kind == Kind::Word && equals_ignoring_case(text, keyword);
    }
};

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

class Lexer {
  public:
    explicit Lexer(std::string_view query) : query_(query) {}

    Result<Token> next() {
        if (Status skipped = skip_blanks(); !skipped) return tl::unexpected<Error>(skipped.error());
        Token token;
        token.begin = token.end = at_;
        if (at_ == query_.size()) return token;
        const char c = query_[at_];
        if (c == '"' || c == '\'') return quoted(c);
        if (c == '=' || c == ';' || c == ',') {
            token.kind = Token::Kind::Mark;
            ++at_;
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

    // Whether that keyword comes next, blanks aside; then it is behind us.
    bool take_keyword(std::string_view keyword) {
        const size_t begin = skip_space();
        size_t end = begin;
        while (end < query_.size() && is_word_char(query_[end]))
            ++end;
        if (!equals_ignoring_case(query_.substr(begin, end - begin), keyword)) return false;
        at_ = end;
        return true;
    }
    // All that is left, without blanks before it; then we are at the end.
    std::string_view take_rest() {
        const size_t begin = skip_space();
        at_ = query_.size();
        return query_.substr(begin);
    }

    [[nodiscard]] size_t place(size_t byte) const { return characters(query_.substr(0, byte)) + 1; }

    // `what at character N, near "..."`; the quote runs to the next blank, at most 20 characters.
    [[nodiscard]] tl::unexpected<Error> error_at(size_t byte, std::string_view what) const {
        std::string message = std::string(what) + " at character " + std::to_string(place(byte));
        size_t end = byte;
        for (size_t left = 20; end < query_.size() && !is_blank(query_[end]); ++end) {
            const bool is_new_character = characters(query_.substr(end, 1)) == 1;
            if (is_new_character && left-- == 0) break;
        }
        const std::string_view near = query_.substr(byte, end - byte);
        message +=
            near.empty() ? ": the command ends there" : ", near \"" + std::string(near) + "\"";
        return fail("08P01", std::move(message));
    }

  private:
    [[nodiscard]] bool is_at(std::string_view text) const {
        return query_.substr(at_, text.size()) == text;
    }

    [[nodiscard]] size_t skip_space() const {
        size_t at = at_;
        while (at < query_.size() && is_blank(query_[at]))
            ++at;
        return at;
    }

    Status skip_blanks() {
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

    Status skip_comment() {
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
    Result<Token> quoted(char quote) {
        Token token;
        token.kind = quote == '"' ? Token::Kind::QuotedWord : Token::Kind::String;
        token.begin = at_++;
        while (true) {
            const size_t end = query_.find(quote, at_);
            if (end == std::string_view::npos) {
                return error_at(token.begin, quote == '"' ? "quoted name without end"
                                                          : "quoted string without end");
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

    const std::string_view query_;
    size_t at_ = 0;
};

// One token ahead of the lexer; `command` grows word by word.
class Parser {
  public:
    explicit Parser(std::string_view query) : query_(query), lexer_(query) {}

    Result<std::vector<Command>> parse() {
        std::vector<Command> commands;
        if (Status moved = move(); !moved) return tl::unexpected<Error>(moved.error());
        while (token_.kind != Token::Kind::End) {
            if (!token_.is_mark(';')) {
                Command command;
                if (Status parsed = parse_command(command); !parsed) {
                    return tl::unexpected<Error>(parsed.error());
                }
                commands.push_back(std::move(command));
                if (token_.kind == Token::Kind::End) break;
            }
            if (Status moved = move(); !moved) return tl::unexpected<Error>(moved.error());
        }
        return commands;
    }

  private:
    Status move() {
        last_end_ = token_.end;
        Result<Token> token = lexer_.next();
        if (!token) return tl::unexpected<Error>(token.error());
        token_ = std::move(*token);
        return {};
    }

    // Ends at the semicolon or the end of the query.
    Status parse_command(Command& command) {
        const size_t begin = token_.begin;
        const bool is_set = token_.is_keyword("SET");
        const bool is_add = token_.is_keyword("ADD");
        Status parsed = is_add ? parse_addition(command) : parse_words(command, is_set);
        if (parsed && is_set) parsed = parse_assignment(command);
        if (!parsed) return parsed;
        if (token_.kind != Token::Kind::End && !token_.is_mark(';')) return syntax_error();
        command.text = query_.substr(begin, last_end_ - begin);
        return {};
    }

    // The string describes the third word, which is the name of what is added.
    Status parse_addition(Command& command) {
        while (token_.is_word() && command.words.size() < 3) {
            if (Status taken = take_word(command); !taken) return taken;
        }
        if (command.words.size() == 3 && token_.kind == Token::Kind::String) {
            command.value = token_.text;
            if (Status moved = move(); !moved) return moved;
        }
        return parse_words(command, false);
    }

    Status take_word(Command& command) {
        if (command.words.size() == kCommandWordsMax) return syntax_error();
        command.words.push_back({token_.text, lexer_.place(token_.begin)});
        return move();
    }

    Status parse_words(Command& command, bool is_set) {
        const bool is_explain = token_.is_keyword("EXPLAIN");
        while (token_.is_word()) {
            if (is_set && token_.is_keyword("TO") && command.words.size() > 1) break;
            const bool is_route =
                command.words.size() == 1 && is_explain && token_.is_keyword("ROUTE");
            if (is_route) return parse_explained(command);  // before the next token is looked at
            if (Status taken = take_word(command); !taken) return taken;
        }
        if (command.words.empty()) return syntax_error();
        return {};
    }

    // Behind EXPLAIN ROUTE nothing is a token of ours but what stands before the statement.
    Status parse_explained(Command& command) {
        command.words.push_back({token_.text, lexer_.place(token_.begin)});
        for (const std::string_view keyword : {"FOR", "USER"}) {
            if (!lexer_.take_keyword(keyword)) break;
            if (Status moved = move(); !moved) return moved;
            if (!token_.is_word()) return syntax_error();
            command.words.push_back({token_.text, lexer_.place(token_.begin)});
        }
        command.sql = lexer_.take_rest();
        const Status moved = move();
        last_end_ = query_.size();
        return moved;
    }

    Status parse_assignment(Command& command) {
        std::vector<Command::Word>& words = command.words;
        if (words.size() == 3 && (equals_ignoring_case(words[1].text, "SESSION") ||
                                  equals_ignoring_case(words[1].text, "LOCAL"))) {
            words.erase(words.begin() + 1);
        }
        if (words.size() != 2 || !(token_.is_mark('=') || token_.is_keyword("TO"))) {
            return syntax_error();
        }
        do {
            if (Status moved = move(); !moved) return moved;
            if (!token_.is_word() && token_.kind != Token::Kind::String) return syntax_error();
            if (!command.value.empty()) command.value += ", ";
            command.value += token_.text;
            if (Status moved = move(); !moved) return moved;
        } while (token_.is_mark(','));
        return {};
    }

    [[nodiscard]] Status syntax_error() const {
        return lexer_.error_at(token_.begin, "syntax error");
    }

    const std::string_view query_;
    Lexer lexer_;
    Token token_;
    size_t last_end_ = 0;
};

}  // namespace

Result<std::vector<Command>> parse_commands(std::string_view query) {
    if (query.size() > kCommandBytesMax) {
        return fail("54000",
                    "command is longer than " + std::to_string(kCommandBytesMax) + " bytes");
    }
    return Parser(query).parse();
}

}  // namespace weir
