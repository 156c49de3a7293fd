#include "admin/top/top_table.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

namespace weir {

double to_number(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

std::optional<size_t> TopTable::find(std::string_view column) const {
    const auto found = std::find(columns.begin(), columns.end(), column);
    if (found == columns.end()) return std::nullopt;
    return static_cast<size_t>(found - columns.begin());
}

std::string_view TopTable::text(size_t row, std::string_view column) const {
    const std::optional<size_t> at = find(column);
    return at ? std::string_view(rows[row][*at]) : std::string_view();
}

double TopTable::number(size_t row, std::string_view column) const {
    return to_number(text(row, column));
}

double TopTable::sum(std::string_view column) const {
    double sum = 0;
    for (size_t row = 0; row < rows.size(); ++row)
        sum += number(row, column);
    return sum;
}

double TopTable::max(std::string_view column) const {
    double max = 0;
    for (size_t row = 0; row < rows.size(); ++row)
        max = std::max(max, number(row, column));
    return max;
}

void TopTable::add_rate(std::string name, std::string_view counter,
                        const std::vector<std::string_view>& keys, const TopTable& before,
                        double seconds) {
    const auto key_of = [&keys](const TopTable& table, size_t row) {
        std::string key;
        for (const std::string_view column : keys) {
            key += table.text(row, column);
            key += '\0';
        }
        return key;
    };
    std::unordered_map<std::string, double> known;
    for (size_t row = 0; row < before.rows.size(); ++row)
        known[key_of(before, row)] = before.number(row, counter);
    for (size_t row = 0; row < rows.size(); ++row) {
        const auto found = known.find(key_of(*this, row));
        std::string rate;
        if (found != known.end() && seconds > 0) {
            const double grown = std::max(number(row, counter) - found->second, 0.0);
            rate = fmt::format("{:.1f}", grown / seconds);
        }
        rows[row].push_back(std::move(rate));
    }
    columns.push_back(std::move(name));
}

}  // namespace weir
