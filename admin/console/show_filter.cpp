// The clauses of SHOW, carried out on its rows.
#include <algorithm>
#include <compare>
#include <numeric>

#include "admin/console/outcome.h"
#include "admin/console/show_clauses.h"

namespace weir {

namespace {

using Condition = ShowClauses::Condition;
using Operator = ShowClauses::Operator;

// SQL's third value: what is known of a NULL.
enum class Truth : uint8_t { False, Unknown, True };  // in the order that AND and OR go by

Truth truth(bool value) {
    return value ? Truth::True : Truth::False;
}

Truth negated(Truth value) {
    if (value == Truth::Unknown) return value;
    return truth(value == Truth::False);
}

bool is_text(ColumnType type) {
    return type == ColumnType::Text || type == ColumnType::Time;
}

std::optional<long double> number_of(const Cell& cell) {
    if (cell.is_number()) return static_cast<long double>(cell.number());
    return cell.is_null() ? std::nullopt : as_number(cell.text());
}

bool holds(Operator is, std::strong_ordering order) {
    switch (is) {
        case Operator::Unequal: return order != 0;
        case Operator::Less: return order < 0;
        case Operator::LessEqual: return order <= 0;
        case Operator::Greater: return order > 0;
        case Operator::GreaterEqual: return order >= 0;
        default: return order == 0;
    }
}

std::strong_ordering ordered(long double a, long double b) {
    if (a == b) return std::strong_ordering::equal;
    return a < b ? std::strong_ordering::less : std::strong_ordering::greater;
}

Truth compare(Operator is, const Cell& cell, const ShowClauses::Value& value) {
    if (!value.number) return truth(holds(is, cell.text() <=> value.text));
    const std::optional<long double> number = number_of(cell);
    return number ? truth(holds(is, ordered(*number, *value.number))) : Truth::Unknown;
}

Truth is_one_of(const Condition& condition, const Cell& cell) {
    Truth out = Truth::False;
    for (const ShowClauses::Value& value : condition.values)
        out = std::max(out, compare(Operator::Equal, cell, value));
    return out;
}

Truth evaluate(const Condition& condition, const Cells& row) {
    switch (condition.is) {
        case Operator::And: {
            Truth out = Truth::True;
            for (const Condition& part : condition.parts)
                out = std::min(out, evaluate(part, row));
            return out;
        }
        case Operator::Or: {
            Truth out = Truth::False;
            for (const Condition& part : condition.parts)
                out = std::max(out, evaluate(part, row));
            return out;
        }
        case Operator::Not: return negated(evaluate(condition.parts.front(), row));
        default: break;
    }
    const Cell& cell = row[condition.name.column];
    if (condition.is == Operator::IsNull) return truth(cell.is_null());
    if (cell.is_null()) return Truth::Unknown;
    if (condition.is == Operator::In) return is_one_of(condition, cell);
    const ShowClauses::Value& value = condition.values.front();
    if (condition.is == Operator::Like || condition.is == Operator::Ilike)
        return truth(matches_like(cell.text(), value.text, condition.is == Operator::Ilike));
    return compare(condition.is, cell, value);
}

bool is_like_any(const Condition& like, std::span<const ResultColumn> columns, const Cells& row) {
    for (size_t i = 0; i < columns.size(); ++i) {
        const bool is_looked_at = is_text(columns[i].type) && !row[i].is_null();
        if (is_looked_at &&
            matches_like(row[i].text(), like.values.front().text, like.is == Operator::Ilike))
            return true;
    }
    return false;
}

// A cell as ORDER BY sees it.
struct SortKey {
    enum class Kind : uint8_t { Number, Text, Null } kind = Kind::Null;
    long double number = 0;
    std::string text;

    explicit SortKey(const Cell& cell) {
        if (cell.is_null()) return;
        const std::optional<long double> value = number_of(cell);
        kind = value ? Kind::Number : Kind::Text;
        number = value.value_or(0);
        if (!value) text = cell.text();
    }
    [[nodiscard]] std::strong_ordering operator<=>(const SortKey& other) const {
        if (kind != other.kind) return kind <=> other.kind;
        return kind == Kind::Number ? ordered(number, other.number) : text <=> other.text;
    }
};

// Sorts `places`, indices of rows.
void sort_places(const ShowClauses& clauses, const std::vector<Cells>& rows,
                 std::vector<size_t>& places) {
    const size_t width = clauses.order.size();
    std::vector<SortKey> keys;
    keys.reserve(rows.size() * width);
    for (const Cells& row : rows) {
        for (const ShowClauses::Order& order : clauses.order)
            keys.emplace_back(row[order.name.column]);
    }
    const auto is_before = [&](size_t a, size_t b) {
        for (size_t i = 0; i < width; ++i) {
            const std::strong_ordering order = keys[a * width + i] <=> keys[b * width + i];
            if (order != 0) return clauses.order[i].is_descending ? order > 0 : order < 0;
        }
        return false;
    };
    std::stable_sort(places.begin(), places.end(), is_before);
}

// Of the UTF-8 character that begins there.
size_t character_bytes(std::string_view text) {
    size_t bytes = 1;
    while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80)
        ++bytes;
    return bytes;
}

char folded(char c, bool ignores_case) {
    return ignores_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

// A mismatch goes back to the last `%`, which then takes one character more: no earlier one can do
// better, so there is no other way to go back.
bool matches_like(std::string_view text, std::string_view pattern, bool ignores_case) {
    size_t at = 0;
    size_t in_pattern = 0;
    size_t behind_star = std::string_view::npos;
    size_t star_at = 0;
    while (at < text.size()) {
        if (in_pattern < pattern.size() && pattern[in_pattern] == '%') {
            behind_star = ++in_pattern;
            star_at = at;
            continue;
        }
        if (in_pattern < pattern.size() && pattern[in_pattern] == '_') {
            ++in_pattern;
            at += character_bytes(text.substr(at));
            continue;
        }
        const bool is_escaped = in_pattern + 1 < pattern.size() && pattern[in_pattern] == '\\';
        const size_t wanted = in_pattern + (is_escaped ? 1 : 0);
        if (wanted < pattern.size() &&
            folded(pattern[wanted], ignores_case) == folded(text[at], ignores_case)) {
            in_pattern = wanted + 1;
            ++at;
            continue;
        }
        if (behind_star == std::string_view::npos) return false;
        star_at += character_bytes(text.substr(star_at));
        at = star_at;
        in_pattern = behind_star;
    }
    return pattern.find_first_not_of('%', in_pattern) == std::string_view::npos;
}

void apply(const ShowClauses& clauses, std::span<const ResultColumn> columns,
           CommandOutcome& outcome) {
    if (clauses.is_empty()) return;
    std::vector<Cells>& rows = outcome.rows;
    std::vector<size_t> places(rows.size());
    std::iota(places.begin(), places.end(), 0);
    std::erase_if(places, [&](size_t place) {
        const Cells& row = rows[place];
        if (clauses.like && !is_like_any(*clauses.like, columns, row)) return true;
        return clauses.where && evaluate(*clauses.where, row) != Truth::True;
    });
    if (!clauses.order.empty()) sort_places(clauses, rows, places);
    const uint64_t from = std::min<uint64_t>(clauses.offset, places.size());
    const uint64_t count =
        std::min<uint64_t>(clauses.limit.value_or(places.size()), places.size() - from);
    std::vector<Cells> kept;
    std::vector<std::shared_ptr<const Descriptor>> descriptors;
    for (uint64_t i = from; i < from + count; ++i) {
        kept.push_back(std::move(rows[places[i]]));
        if (places[i] < outcome.descriptors.size())
            descriptors.push_back(std::move(outcome.descriptors[places[i]]));
        else if (!outcome.descriptors.empty())
            descriptors.emplace_back();
    }
    rows = std::move(kept);
    outcome.descriptors = std::move(descriptors);
}

}  // namespace weir
