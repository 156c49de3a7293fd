// TopTable: an answer of the console, as `weir top` looks at it. Thread: any (values).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

struct TopTable {
    std::vector<std::string> columns;
    std::vector<std::vector<std::string>> rows;  // NULL is empty

    // Where a column stands; nothing when the console has none of that name.
    [[nodiscard]] std::optional<size_t> find(std::string_view column) const;
    // Of one row; "" and 0 when there is no such column, or no number in it.
    [[nodiscard]] std::string_view text(size_t row, std::string_view column) const;
    [[nodiscard]] double number(size_t row, std::string_view column) const;
    // Over all rows.
    [[nodiscard]] double sum(std::string_view column) const;
    [[nodiscard]] double max(std::string_view column) const;

    // A column more with what `counter` has grown by per second since `before`, where a row is the
    // same when `keys` are; empty for rows that were not there.
    void add_rate(std::string name, std::string_view counter,
                  const std::vector<std::string_view>& keys, const TopTable& before,
                  double seconds);
};

// "12" -> 12; 0 when it is no number.
double to_number(std::string_view text);

}  // namespace weir
