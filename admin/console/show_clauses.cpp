// The grammar of the clauses and what their names mean; show_filter.cpp carries them out.
#include "admin/console/show_clauses.h"

#include <algorithm>
#include <charconv>

#include "proxy/server/parameters.h"

namespace weir {

namespace {

using Condition = ShowClauses::Condition;
using Operator = ShowClauses::Operator;

constexpr std::string_view kKeywords[] = {"LIKE", "ILIKE", "WHERE", "ORDER", "LIMIT"};

struct Sign {
    std::string_view mark;
    Operator is;
};
constexpr Sign kSigns[] = {
    {"=", Operator::Equal},         {"<>", Operator::Unequal},   {"!=", Operator::Unequal},
    {"<", Operator::Less},          {"<=", Operator::LessEqual}, {">", Operator::Greater},
    {">=", Operator::GreaterEqual},
};

tl::unexpected<Error> passed_on(const Status& status) {
    return tl::unexpected<Error>(status.error());
}

class ClauseParser {
  public:
    explicit ClauseParser(TokenStream& in) : in_(in) {}

    Result<ShowClauses> parse() {
        ShowClauses out;
        for (const auto step : {&ClauseParser::like, &ClauseParser::where, &ClauseParser::order,
                                &ClauseParser::limit}) {
            if (Status parsed = (this->*step)(out); !parsed) return passed_on(parsed);
        }
        return out;
    }

  private:
    Status like(ShowClauses& out) {
        const bool ignores_case = in_.token.is_keyword("ILIKE");
        if (!ignores_case && !in_.token.is_keyword("LIKE")) return {};
        out.like.emplace();
        out.like->is = ignores_case ? Operator::Ilike : Operator::Like;
        return pattern(*out.like);
    }

    Status where(ShowClauses& out) {
        bool is_there = false;
        if (Status moved = in_.take_keyword("WHERE", is_there); !moved || !is_there) return moved;
        return condition(out.where.emplace(), 0);
    }

    Status order(ShowClauses& out) {
        bool is_there = false;
        if (Status moved = in_.take_keyword("ORDER", is_there); !moved || !is_there) return moved;
        if (Status moved = in_.take_keyword("BY", is_there); !moved) return moved;
        if (!is_there) return in_.syntax_error();
        do {
            ShowClauses::Order& order = out.order.emplace_back();
            if (Status named = name(order.name); !named) return named;
            Status moved = in_.take_keyword("DESC", order.is_descending);
            if (moved && !order.is_descending) moved = in_.take_keyword("ASC", is_there);
            if (moved) moved = in_.take_mark(",", is_there);
            if (!moved) return moved;
        } while (is_there);
        return {};
    }

    Status limit(ShowClauses& out) {
        bool is_there = false;
        if (Status moved = in_.take_keyword("LIMIT", is_there); !moved || !is_there) return moved;
        if (Status taken = count(out.limit.emplace()); !taken) return taken;
        if (Status moved = in_.take_keyword("OFFSET", is_there); !moved || !is_there) return moved;
        return count(out.offset);
    }

    // A list of what `next` reads, between the keyword of `is`; of one, just that.
    Status list(Condition& out, size_t depth, Operator is, std::string_view keyword,
                Status (ClauseParser::*next)(Condition&, size_t)) {
        Condition first;
        if (Status parsed = (this->*next)(first, depth); !parsed) return parsed;
        bool is_there = false;
        if (Status moved = in_.take_keyword(keyword, is_there); !moved) return moved;
        if (!is_there) {
            out = std::move(first);
            return {};
        }
        out.is = is;
        out.parts.push_back(std::move(first));
        while (is_there) {
            if (Status parsed = (this->*next)(out.parts.emplace_back(), depth); !parsed)
                return parsed;
            if (Status moved = in_.take_keyword(keyword, is_there); !moved) return moved;
        }
        return {};
    }
    Status condition(Condition& out, size_t depth) {
        return list(out, depth, Operator::Or, "OR", &ClauseParser::term);
    }
    Status term(Condition& out, size_t depth) {
        return list(out, depth, Operator::And, "AND", &ClauseParser::factor);
    }

    Status factor(Condition& out, size_t depth) {
        if (depth == kConditionDepthMax)
            return in_.lexer.error_at(in_.token.begin, "condition is nested too deeply");
        bool is_there = false;
        if (Status moved = in_.take_keyword("NOT", is_there); !moved) return moved;
        if (is_there) {
            out.is = Operator::Not;
            return factor(out.parts.emplace_back(), depth + 1);
        }
        if (Status moved = in_.take_mark("(", is_there); !moved) return moved;
        if (!is_there) return comparison(out);
        if (Status parsed = condition(out, depth + 1); !parsed) return parsed;
        return closing();
    }

    Status closing() {
        bool is_there = false;
        if (Status moved = in_.take_mark(")", is_there); !moved) return moved;
        return is_there ? Status() : in_.syntax_error();
    }

    Status comparison(Condition& out) {
        if (Status named = name(out.name); !named) return named;
        for (const Sign& sign : kSigns) {
            if (!in_.token.is_mark(sign.mark)) continue;
            out.is = sign.is;
            if (Status moved = in_.move(); !moved) return moved;
            return value(out.values.emplace_back());
        }
        return comparison_by_word(out);
    }

    Status comparison_by_word(Condition& out) {
        bool is_null_test = false;
        bool is_negated = false;
        Status moved = in_.take_keyword("IS", is_null_test);
        if (moved) moved = in_.take_keyword("NOT", is_negated);
        if (!moved) return moved;
        if (is_negated) {  // of what follows
            Condition inner;
            inner.name = out.name;
            out.is = Operator::Not;
            out.parts.push_back(std::move(inner));
        }
        Condition& test = is_negated ? out.parts.back() : out;
        if (is_null_test) {
            if (!in_.token.is_keyword("NULL")) return in_.syntax_error();
            test.is = Operator::IsNull;
            return in_.move();
        }
        if (in_.token.is_keyword("IN")) return values(test);
        if (!in_.token.is_keyword("LIKE") && !in_.token.is_keyword("ILIKE"))
            return in_.syntax_error();
        test.is = in_.token.is_keyword("LIKE") ? Operator::Like : Operator::Ilike;
        return pattern(test);
    }

    // The string behind the keyword.
    Status pattern(Condition& test) {
        if (Status moved = in_.move(); !moved) return moved;
        if (in_.token.kind != Token::Kind::String) return not_a_value("a pattern");
        test.values.push_back({in_.token.text, std::nullopt, true});
        return in_.move();
    }

    Status values(Condition& test) {
        test.is = Operator::In;
        if (Status moved = in_.move(); !moved) return moved;
        bool is_there = false;
        if (Status moved = in_.take_mark("(", is_there); !moved) return moved;
        if (!is_there) return in_.syntax_error();
        while (is_there) {
            if (Status taken = value(test.values.emplace_back()); !taken) return taken;
            if (Status moved = in_.take_mark(",", is_there); !moved) return moved;
        }
        return closing();
    }

    Status value(ShowClauses::Value& out) {
        out.is_string = in_.token.kind == Token::Kind::String;
        if (!out.is_string) {
            if (in_.token.kind != Token::Kind::Word) return not_a_value("a value");
            out.number = as_number(in_.token.text);
            if (!out.number) return not_a_value("a value");
        }
        out.text = in_.token.text;
        return in_.move();
    }

    Status count(uint64_t& out) {
        const std::string& text = in_.token.text;
        const char* end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, out);
        const bool is_number =
            in_.token.kind == Token::Kind::Word && error == std::errc() && stop == end;
        if (!is_number) return in_.lexer.error_at(in_.token.begin, "a number of rows is expected");
        return in_.move();
    }

    Status name(ShowClauses::Name& out) {
        if (!in_.token.is_word()) return in_.syntax_error();
        out = {in_.token.text, in_.token.kind == Token::Kind::QuotedWord,
               in_.lexer.place(in_.token.begin), 0};
        return in_.move();
    }

    [[nodiscard]] Status not_a_value(std::string_view what) const {
        return in_.lexer.error_at(in_.token.begin,
                                  std::string(what) + " is expected (texts in single quotes)");
    }

    TokenStream& in_;
};

// ---- what the names mean ----

bool is_numeric(ColumnType type) {
    return type == ColumnType::Int4 || type == ColumnType::Int8 || type == ColumnType::Numeric;
}

class Binder {
  public:
    Binder(std::string_view topic, std::span<const ResultColumn> columns)
        : topic_(topic), columns_(columns) {}

    Status bind(ShowClauses::Name& name) const {
        const auto found =
            std::find_if(columns_.begin(), columns_.end(), [&name](const ResultColumn& column) {
                return name.is_quoted ? column.name == name.text
                                      : equals_ignoring_case(column.name, name.text);
            });
        if (found == columns_.end()) return unknown(name);
        name.column = static_cast<size_t>(found - columns_.begin());
        return {};
    }

    Status bind(Condition& condition) const {
        for (Condition& part : condition.parts) {
            if (Status bound = bind(part); !bound) return bound;
        }
        if (condition.is <= Operator::Not) return {};
        if (Status bound = bind(condition.name); !bound) return bound;
        const bool is_pattern = condition.is == Operator::Like || condition.is == Operator::Ilike;
        if (is_pattern || !is_numeric(columns_[condition.name.column].type)) return {};
        for (ShowClauses::Value& value : condition.values) {
            if (!value.number) value.number = as_number(value.text);
            if (!value.number) return not_numeric(condition.name, value);
        }
        return {};
    }

  private:
    [[nodiscard]] tl::unexpected<Error> unknown(const ShowClauses::Name& name) const {
        Error error("42703", "column \"" + name.text + "\" does not exist");
        error.detail = "SHOW " + std::string(topic_) + " has";
        for (size_t i = 0; i < columns_.size(); ++i)
            error.detail += (i == 0 ? " " : ", ") + std::string(columns_[i].name);
        error.detail += ".";
        return tl::unexpected<Error>(std::move(error));
    }

    [[nodiscard]] tl::unexpected<Error> not_numeric(const ShowClauses::Name& name,
                                                    const ShowClauses::Value& value) const {
        return fail("22P02", "column \"" + std::string(columns_[name.column].name) +
                                 "\" is a number, and '" + value.text + "' is none");
    }

    const std::string_view topic_;
    const std::span<const ResultColumn> columns_;
};

}  // namespace

std::optional<long double> as_number(std::string_view text) {
    const size_t sign = text.starts_with('-') ? 1 : 0;
    // from_chars takes `inf` and `nan`, too.
    const bool is_digit = text.size() > sign && text[sign] >= '0' && text[sign] <= '9';
    if (!is_digit) return std::nullopt;
    long double number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end) return std::nullopt;
    return number;
}

bool begins_clauses(const Token& token) {
    return std::any_of(std::begin(kKeywords), std::end(kKeywords),
                       [&token](std::string_view keyword) { return token.is_keyword(keyword); });
}

Result<ShowClauses> parse_clauses(TokenStream& in) {
    return ClauseParser(in).parse();
}

Status bind(ShowClauses& clauses, std::string_view topic, std::span<const ResultColumn> columns) {
    if (clauses.is_empty()) return {};
    if (columns.empty()) {
        return fail("0A000", "SHOW " + std::string(topic) + " has no rows to choose from");
    }
    const Binder binder(topic, columns);
    if (clauses.where) {
        if (Status bound = binder.bind(*clauses.where); !bound) return bound;
    }
    for (ShowClauses::Order& order : clauses.order) {
        if (Status bound = binder.bind(order.name); !bound) return bound;
    }
    return {};
}

}  // namespace weir
