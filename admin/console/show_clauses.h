// What may follow SHOW: which of its rows, and in which order.
//
//   clauses    = [ LIKE string | ILIKE string ] [ WHERE condition ]
//                [ ORDER BY name [ ASC | DESC ] { "," name [ ASC | DESC ] } ]
//                [ LIMIT number [ OFFSET number ] ]
//   condition  = term { OR term }
//   term       = factor { AND factor }
//   factor     = NOT factor | "(" condition ")" | comparison
//   comparison = name ( "=" | "<>" | "!=" | "<" | "<=" | ">" | ">=" ) value
//              | name [ NOT ] ( LIKE | ILIKE ) string
//              | name [ NOT ] IN "(" value { "," value } ")"
//              | name IS [ NOT ] NULL
//   value      = number | string
//
// A name is one of the table's columns, in any letter case, or exactly in double quotes. In
// patterns
// `%` is any text, `_` any character, and a backslash takes the next one as it is. What is NULL
// compares as in SQL: neither true nor false.
//
// Numeric columns compare by size; a text column compares as text (bytes) with a string, and by
// size with a number, where a cell that holds none does not match. ORDER BY puts numbers before
// texts and NULL last, with DESC the other way round; what is equal stays in the table's order.
//
// LIKE alone is true of a row when it is of one of its text columns.
//
// Thread: any (values and pure functions).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin/console/console_lexer.h"
#include "admin/console/result_table.h"
#include "protocol/base/result.h"

namespace weir {

struct CommandOutcome;

// Parts of ShowClauses.
struct ShowName {
    std::string text;
    bool is_quoted = false;
    size_t at = 0;      // its first character in the query's text, from 1
    size_t column = 0;  // once it is bound
};
struct ShowValue {
    std::string text;
    std::optional<long double> number;  // of a string: if it is compared as one
    bool is_string = false;
};
enum class ShowOperator : uint8_t {
    And,  // `parts`, as Or; Not has one
    Or,
    Not,
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Like,
    Ilike,
    In,
    IsNull,
};
struct ShowCondition {
    ShowOperator is = ShowOperator::And;
    std::vector<ShowCondition> parts;
    ShowName name;
    std::vector<ShowValue> values;
};
struct ShowOrder {
    ShowName name;
    bool is_descending = false;
};

struct ShowClauses {
    using Name = ShowName;
    using Value = ShowValue;
    using Operator = ShowOperator;
    using Condition = ShowCondition;
    using Order = ShowOrder;

    std::optional<Condition> like;  // Like or Ilike, of any column
    std::optional<Condition> where;
    std::vector<Order> order;
    std::optional<uint64_t> limit;
    uint64_t offset = 0;

    [[nodiscard]] bool is_empty() const { return !like && !where && order.empty() && !limit; }
};

// Parentheses and NOTs in one another.
constexpr size_t kConditionDepthMax = 64;

// Whether a keyword comes next that begins clauses.
bool begins_clauses(const Token& token);
// From that keyword to the first token that is none of theirs. An error names the place.
Result<ShowClauses> parse_clauses(TokenStream& in);

// Finds their columns. Errors: the table has no such column (42703), a value is no number that is
// compared with a numeric column (22P02), it has no rows at all (0A000).
Status bind(ShowClauses& clauses, std::string_view topic, std::span<const ResultColumn> columns);
// Keeps, sorts and cuts the rows of the outcome. Clauses that were bound with these columns.
void apply(const ShowClauses& clauses, std::span<const ResultColumn> columns,
           CommandOutcome& outcome);

// Whether `text`, taken as UTF-8, is what the pattern says. Letter case: of ASCII.
bool matches_like(std::string_view text, std::string_view pattern, bool ignores_case);
// All of `text` as a decimal number, exactly up to 64 bits.
std::optional<long double> as_number(std::string_view text);

}  // namespace weir
