#include "admin/console/result_table.h"

#include <algorithm>
#include <limits>

#include "protocol/base/check.h"
#include "protocol/base/utf8.h"
#include "protocol/message/writer.h"

namespace weir {

namespace {

struct WireType {
    uint32_t oid;
    int16_t bytes;
};

WireType wire_type(ColumnType type) {
    switch (type) {
        case ColumnType::Int4: return {23, 4};
        case ColumnType::Int8: return {20, 8};
        case ColumnType::Numeric: return {1700, -1};
        case ColumnType::Bytes: return {17, -1};
        default: return {25, -1};
    }
}

bool is_textual(ColumnType type) {
    return type == ColumnType::Text || type == ColumnType::Time;
}

int64_t clamped(ColumnType type, int64_t number) {
    using Int4 = std::numeric_limits<int32_t>;
    if (type != ColumnType::Int4) return number;
    return std::clamp<int64_t>(number, Int4::min(), Int4::max());
}

// PostgreSQL's numeric_send: digits in base 10000, most significant first, the first of which
// counts 10000^weight; zeros at the end are left out.
void write_binary_numeric(MessageWriter& w, int64_t number) {
    constexpr uint64_t kBase = 10000;
    constexpr uint16_t kNegative = 0x4000;
    uint64_t rest = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    std::vector<uint16_t> digits;
    for (; rest > 0; rest /= kBase)
        digits.insert(digits.begin(), static_cast<uint16_t>(rest % kBase));
    const uint16_t weight = digits.empty() ? 0 : static_cast<uint16_t>(digits.size() - 1);
    while (!digits.empty() && digits.back() == 0)
        digits.pop_back();
    w.u32(static_cast<uint32_t>(8 + 2 * digits.size()));
    w.u16(static_cast<uint16_t>(digits.size()));
    w.u16(weight);
    w.u16(number < 0 ? kNegative : 0);
    w.u16(0);  // digits after the point
    for (const uint16_t digit : digits)
        w.u16(digit);
}

void write_binary(MessageWriter& w, ColumnType type, int64_t number) {
    if (type == ColumnType::Numeric) return write_binary_numeric(w, number);
    if (type == ColumnType::Int4) {
        w.u32(4);
        w.i32(static_cast<int32_t>(number));
        return;
    }
    w.u32(8);
    w.u32(static_cast<uint32_t>(static_cast<uint64_t>(number) >> 32));
    w.u32(static_cast<uint32_t>(number));
}

// Names come from clients as any bytes; one bad application_name must not make the whole answer
// unreadable to a driver that decodes UTF-8 strictly.
std::string as_utf8(std::string text) {
    for (size_t at = 0; at < text.size();) {
        const size_t bytes = utf8_character_bytes(std::string_view(text).substr(at));
        if (bytes == 0) text[at] = '?';
        at += bytes == 0 ? 1 : bytes;
    }
    return text;
}

void write_value(MessageWriter& w, ColumnType type, const Cell& value, bool is_binary) {
    const bool is_misplaced = !is_textual(type) && !value.is_number() && !value.is_null();
    WEIR_DCHECK(!is_misplaced);
    if (value.is_null() || is_misplaced) {
        w.i32(-1);
        return;
    }
    if (is_binary && !is_textual(type)) return write_binary(w, type, clamped(type, value.number()));
    const std::string text =
        is_textual(type) ? as_utf8(value.text()) : std::to_string(clamped(type, value.number()));
    w.u32(static_cast<uint32_t>(text.size()));
    w.text(text);
}

}  // namespace

const char* to_string(ColumnType type) {
    switch (type) {
        case ColumnType::Text: return "text";
        case ColumnType::Int4: return "int4";
        case ColumnType::Int8: return "int8";
        case ColumnType::Numeric: return "numeric";
        case ColumnType::Time: return "time";
        case ColumnType::Bytes: return "bytea";
    }
    return "";
}

void write_columns(std::string& out, std::span<const ResultColumn> columns,
                   const ResultFormats& formats) {
    MessageWriter w(out);
    w.begin(BackendTag::RowDescription);
    w.u16(static_cast<uint16_t>(columns.size()));
    for (size_t i = 0; i < columns.size(); ++i) {
        const WireType type = wire_type(columns[i].type);
        w.cstring(columns[i].name);
        w.u32(0);  // no table
        w.u16(0);
        w.u32(type.oid);
        w.u16(static_cast<uint16_t>(type.bytes));
        w.i32(-1);  // no type modifier
        w.u16(formats.is_binary(i) ? 1 : 0);
    }
    w.end();
}

void write_row(std::string& out, std::span<const ResultColumn> columns, const Cells& row,
               const ResultFormats& formats) {
    WEIR_CHECK(row.size() == columns.size());
    MessageWriter w(out);
    w.begin(BackendTag::DataRow);
    w.u16(static_cast<uint16_t>(row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
        write_value(w, columns[i].type, row[i], formats.is_binary(i));
    }
    w.end();
}

}  // namespace weir
