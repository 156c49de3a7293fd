// Goal: RowDescription and DataRow are byte for byte what PostgreSQL would send, in text and in
// binary. Method: expected bytes written out; binary numerics compared with a decoder written from
// the documentation.
#include "admin/console/result_table.h"

#include <doctest/doctest.h>

#include <limits>

#include "console_fixture.h"

namespace weir::result_table_test {
namespace {

using std::string_literals::operator""s;
using console_test::be16;
using console_test::be32;
using console_test::cstring;
using console_test::message;

std::string row_of(ColumnType type, const Cell& cell, bool is_binary) {
    const ResultColumn columns[] = {{"c", type}};
    std::string out;
    write_row(out, columns, {cell},
              ResultFormats(is_binary ? std::vector<uint16_t>{1} : std::vector<uint16_t>{}));
    return out;
}

std::string data_row(std::string_view value) {
    return message('D', be16(1) + be32(static_cast<uint32_t>(value.size())) + std::string(value));
}

TEST_CASE("a RowDescription has the types PgBouncer gives its columns") {
    constexpr ResultColumn columns[] = {{"s"},
                                        {"i", ColumnType::Int4},
                                        {"q", ColumnType::Int8},
                                        {"N", ColumnType::Numeric},
                                        {"T", ColumnType::Time}};
    const auto column = [](const char* name, uint32_t oid, uint16_t bytes, uint16_t format) {
        return cstring(name) + be32(0) + be16(0) + be32(oid) + be16(bytes) + be32(0xffffffff) +
               be16(format);
    };
    std::string out;
    write_columns(out, columns, {});
    CHECK(out == message('T', be16(5) + column("s", 25, 0xffff, 0) + column("i", 23, 4, 0) +
                                  column("q", 20, 8, 0) + column("N", 1700, 0xffff, 0) +
                                  column("T", 25, 0xffff, 0)));
    out.clear();
    write_columns(out, columns, ResultFormats({0, 1, 1, 0, 1}));
    CHECK(out == message('T', be16(5) + column("s", 25, 0xffff, 0) + column("i", 23, 4, 1) +
                                  column("q", 20, 8, 1) + column("N", 1700, 0xffff, 0) +
                                  column("T", 25, 0xffff, 1)));
}

TEST_CASE("text cells") {
    CHECK(row_of(ColumnType::Text, "abc", false) == data_row("abc"));
    CHECK(row_of(ColumnType::Text, "", false) == data_row(""));
    CHECK(row_of(ColumnType::Text, {}, false) == message('D', be16(1) + be32(0xffffffff)));
    CHECK(row_of(ColumnType::Text, std::optional<std::string>(), false) ==
          message('D', be16(1) + be32(0xffffffff)));
    CHECK(row_of(ColumnType::Text, 17, false) == data_row("17"));
    CHECK(row_of(ColumnType::Int4, -17, false) == data_row("-17"));
    CHECK(row_of(ColumnType::Int4, true, false) == data_row("1"));
    CHECK(row_of(ColumnType::Int8, int64_t{1} << 40, false) == data_row("1099511627776"));
    CHECK(row_of(ColumnType::Numeric, uint64_t{12}, false) == data_row("12"));
}

TEST_CASE("binary cells") {
    CHECK(row_of(ColumnType::Text, "abc", true) == data_row("abc"));
    CHECK(row_of(ColumnType::Time, "12:00", true) == data_row("12:00"));
    CHECK(row_of(ColumnType::Int4, 258, true) == data_row("\0\0\1\2"s));
    CHECK(row_of(ColumnType::Int4, -1, true) == data_row("\xff\xff\xff\xff"));
    CHECK(row_of(ColumnType::Int8, 258, true) == data_row("\0\0\0\0\0\0\1\2"s));
    CHECK(row_of(ColumnType::Int8, -2, true) == data_row("\xff\xff\xff\xff\xff\xff\xff\xfe"));
    CHECK(row_of(ColumnType::Int4, {}, true) == message('D', be16(1) + be32(0xffffffff)));
}

TEST_CASE("a number too big for its column becomes the nearest that fits") {
    CHECK(row_of(ColumnType::Int4, int64_t{1} << 40, false) == data_row("2147483647"));
    CHECK(row_of(ColumnType::Int4, int64_t{1} << 40, true) == data_row("\x7f\xff\xff\xff"));
    CHECK(row_of(ColumnType::Int4, -(int64_t{1} << 40), false) == data_row("-2147483648"));
    CHECK(row_of(ColumnType::Int8, ~uint64_t{0}, false) == data_row("9223372036854775807"));
}

TEST_CASE("binary numerics") {
    const auto numeric = [](std::initializer_list<uint16_t> words) {
        std::string out;
        for (const uint16_t word : words)
            out += be16(word);
        return data_row(out);
    };
    CHECK(row_of(ColumnType::Numeric, 0, true) == numeric({0, 0, 0, 0}));
    CHECK(row_of(ColumnType::Numeric, 1, true) == numeric({1, 0, 0, 0, 1}));
    CHECK(row_of(ColumnType::Numeric, 9999, true) == numeric({1, 0, 0, 0, 9999}));
    CHECK(row_of(ColumnType::Numeric, 10000, true) == numeric({1, 1, 0, 0, 1}));
    CHECK(row_of(ColumnType::Numeric, 120034, true) == numeric({2, 1, 0, 0, 12, 34}));
    CHECK(row_of(ColumnType::Numeric, 500000000, true) == numeric({1, 2, 0, 0, 5}));
    CHECK(row_of(ColumnType::Numeric, -120034, true) == numeric({2, 1, 0x4000, 0, 12, 34}));
    CHECK(row_of(ColumnType::Numeric, std::numeric_limits<int64_t>::max(), true) ==
          numeric({5, 4, 0, 0, 922, 3372, 368, 5477, 5807}));
    CHECK(row_of(ColumnType::Numeric, std::numeric_limits<int64_t>::min(), true) ==
          numeric({5, 4, 0x4000, 0, 922, 3372, 368, 5477, 5808}));
}

TEST_CASE("what is not UTF-8 is replaced, so that strict drivers can read the rest") {
    const auto shown = [](std::string_view text) {
        const std::string row = row_of(ColumnType::Text, text, false);
        return row.substr(11);
    };
    CHECK(shown("gr\xC3\xBC\xC3\x9F e \xE2\x82\xAC \xF0\x9F\x90\x98") ==
          "gr\xC3\xBC\xC3\x9F e \xE2\x82\xAC \xF0\x9F\x90\x98");
    CHECK(shown("a\xFF"
                "b") == "a?b");
    CHECK(shown("\xC3") == "?");
    CHECK(shown("\xC0\x80") == "??");
    CHECK(shown("\xE0\x80\x80") == "???");
    CHECK(shown("\xED\xA0\x80") == "???");
    CHECK(shown("\xF0\x80\x80\x80") == "????");
    CHECK(shown("\xF4\x90\x80\x80") == "????");
    CHECK(shown("\xE2\x82") == "??");
    CHECK(shown("\xF5\x80\x80\x80") == "????");
}

TEST_CASE("formats fit when there are none, one, or one for each column") {
    CHECK(ResultFormats().fits(3));
    CHECK(ResultFormats({1}).fits(3));
    CHECK(ResultFormats({1, 0, 1}).fits(3));
    CHECK_FALSE(ResultFormats({1, 0}).fits(3));
    CHECK(ResultFormats({1, 0}).fits(0));
}

}  // namespace
}  // namespace weir::result_table_test
