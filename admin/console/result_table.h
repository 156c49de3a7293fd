// Result tables: the columns of a SHOW, its rows, and how both go over the wire, as text or binary.
// Thread: any (values).
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

enum class ColumnType : uint8_t {
    Text,
    Int4,
    Int8,
    Numeric,  // whole numbers only
    Time,     // text: 2026-01-31 12:00:00 UTC
    Bytes,    // bytea; always NULL so far
};
const char* to_string(ColumnType type);

struct ResultColumn {
    std::string_view name;
    ColumnType type = ColumnType::Text;
};

// One cell: NULL, a whole number or a text. A number in a text column prints as its digits; a
// number too big for its column becomes the nearest that fits.
class Cell {
  public:
    Cell() = default;
    Cell(std::nullopt_t) {}
    Cell(std::string text) : text_(std::move(text)), kind_(Kind::Text) {}
    Cell(std::string_view text) : Cell(std::string(text)) {}
    Cell(const char* text) : Cell(std::string(text)) {}
    template <std::integral T>
    Cell(T number)
        : number_(std::in_range<int64_t>(number) ? static_cast<int64_t>(number) : INT64_MAX),
          kind_(Kind::Number) {}
    Cell(bool flag) : Cell(flag ? 1 : 0) {}
    template <typename T>
    Cell(const std::optional<T>& value) {
        if (value) *this = Cell(*value);
    }

    [[nodiscard]] bool is_null() const { return kind_ == Kind::Null; }
    [[nodiscard]] bool is_number() const { return kind_ == Kind::Number; }
    [[nodiscard]] int64_t number() const { return number_; }
    [[nodiscard]] std::string text() const { return is_number() ? std::to_string(number_) : text_; }

  private:
    enum class Kind : uint8_t { Null, Number, Text };
    std::string text_;
    int64_t number_ = 0;
    Kind kind_ = Kind::Null;
};

using Cells = std::vector<Cell>;

// NULL when there is no text.
[[nodiscard]] inline Cell text_or_null(std::string text) {
    return text.empty() ? Cell() : Cell(std::move(text));
}

// The result formats of a Bind: none = all text, one = for all columns, else one for each.
class ResultFormats {
  public:
    ResultFormats() = default;
    explicit ResultFormats(std::vector<uint16_t> codes) : codes_(std::move(codes)) {}

    // Does a Bind with these fit a result of that many columns?
    [[nodiscard]] bool fits(size_t columns) const {
        return codes_.size() < 2 || columns == 0 || codes_.size() == columns;
    }
    [[nodiscard]] bool is_binary(size_t column) const {
        if (codes_.empty()) return false;
        return codes_[codes_.size() == 1 ? 0 : column] == 1;
    }

  private:
    std::vector<uint16_t> codes_;
};

// RowDescription and DataRow. A row has exactly as many values as there are columns.
void write_columns(std::string& out, std::span<const ResultColumn> columns,
                   const ResultFormats& formats);
void write_row(std::string& out, std::span<const ResultColumn> columns, const Cells& row,
               const ResultFormats& formats);

}  // namespace weir
