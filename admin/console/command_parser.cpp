#include "admin/console/command_parser.h"

#include "admin/console/console_lexer.h"
#include "proxy/server/parameters.h"

namespace weir {

namespace {

// `command` grows word by word.
class Parser {
  public:
    explicit Parser(std::string_view query) : query_(query), in_(query) {}

    Result<std::vector<Command>> parse() {
        std::vector<Command> commands;
        if (Status moved = in_.move(); !moved) return tl::unexpected<Error>(moved.error());
        while (in_.token.kind != Token::Kind::End) {
            if (!in_.token.is_mark(";")) {
                Command command;
                if (Status parsed = parse_command(command); !parsed) {
                    return tl::unexpected<Error>(parsed.error());
                }
                commands.push_back(std::move(command));
                if (in_.token.kind == Token::Kind::End) break;
            }
            if (Status moved = in_.move(); !moved) return tl::unexpected<Error>(moved.error());
        }
        return commands;
    }

  private:
    // Ends at the semicolon or the end of the query.
    Status parse_command(Command& command) {
        const size_t begin = in_.token.begin;
        const bool is_set = in_.token.is_keyword("SET");
        const bool is_add = in_.token.is_keyword("ADD");
        const bool is_show = in_.token.is_keyword("SHOW") || in_.token.is_keyword("SELECT");
        Status parsed = is_add ? parse_addition(command) : parse_words(command, is_set, is_show);
        if (parsed && is_set) parsed = parse_assignment(command);
        if (parsed && is_show && begins_clauses(in_.token)) parsed = parse_clauses_of(command);
        if (!parsed) return parsed;
        if (in_.token.kind != Token::Kind::End && !in_.token.is_mark(";")) return syntax_error();
        command.text = query_.substr(begin, in_.last_end - begin);
        return {};
    }

    // The string describes the third word, which is the name of what is added.
    Status parse_addition(Command& command) {
        while (in_.token.is_word() && command.words.size() < 3) {
            if (Status taken = take_word(command); !taken) return taken;
        }
        if (command.words.size() == 3 && in_.token.kind == Token::Kind::String) {
            command.value = in_.token.text;
            if (Status moved = in_.move(); !moved) return moved;
        }
        return parse_words(command, false, false);
    }

    Status take_word(Command& command) {
        if (command.words.size() == kCommandWordsMax) return syntax_error();
        command.words.push_back({in_.token.text, in_.lexer.place(in_.token.begin)});
        return in_.move();
    }

    Status parse_words(Command& command, bool is_set, bool is_show) {
        const bool is_explain = in_.token.is_keyword("EXPLAIN");
        while (in_.token.is_word()) {
            if (is_set && in_.token.is_keyword("TO") && command.words.size() > 1) break;
            if (is_show && command.words.size() > 1 && begins_clauses(in_.token)) break;
            const bool is_route =
                command.words.size() == 1 && is_explain && in_.token.is_keyword("ROUTE");
            if (is_route) return parse_explained(command);  // before the next token is looked at
            if (Status taken = take_word(command); !taken) return taken;
        }
        if (command.words.empty()) return syntax_error();
        return {};
    }

    // Behind EXPLAIN ROUTE nothing is a token of ours but what stands before the statement.
    Status parse_explained(Command& command) {
        command.words.push_back({in_.token.text, in_.lexer.place(in_.token.begin)});
        for (const std::string_view keyword : {"FOR", "USER"}) {
            if (!in_.lexer.take_keyword(keyword)) break;
            if (Status moved = in_.move(); !moved) return moved;
            if (!in_.token.is_word()) return syntax_error();
            command.words.push_back({in_.token.text, in_.lexer.place(in_.token.begin)});
        }
        command.sql = in_.lexer.take_rest();
        const Status moved = in_.move();
        in_.last_end = query_.size();
        return moved;
    }

    Status parse_assignment(Command& command) {
        std::vector<Command::Word>& words = command.words;
        if (words.size() == 3 && (equals_ignoring_case(words[1].text, "SESSION") ||
                                  equals_ignoring_case(words[1].text, "LOCAL"))) {
            words.erase(words.begin() + 1);
        }
        if (words.size() != 2 || !(in_.token.is_mark("=") || in_.token.is_keyword("TO"))) {
            return syntax_error();
        }
        do {
            if (Status moved = in_.move(); !moved) return moved;
            if (!in_.token.is_word() && in_.token.kind != Token::Kind::String)
                return syntax_error();
            if (!command.value.empty()) command.value += ", ";
            command.value += in_.token.text;
            if (Status moved = in_.move(); !moved) return moved;
        } while (in_.token.is_mark(","));
        return {};
    }

    Status parse_clauses_of(Command& command) {
        Result<ShowClauses> clauses = parse_clauses(in_);
        if (!clauses) return tl::unexpected<Error>(clauses.error());
        command.clauses = std::move(*clauses);
        return {};
    }

    [[nodiscard]] Status syntax_error() const { return in_.syntax_error(); }

    const std::string_view query_;
    TokenStream in_;
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
