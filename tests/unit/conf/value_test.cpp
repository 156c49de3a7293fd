// Goal: text becomes a value only when it is one, and every refusal says what would be right.
// Method: tables of accepted and refused texts for each kind of value.
#include "conf/value.h"

#include <doctest/doctest.h>

#include <limits>

namespace weir::value_test {
namespace {

TEST_CASE("whole numbers are read as C reads them when the base is open") {
    struct {
        const char* text;
        int64_t value;
    } const accepted[] = {{"0", 0},   {"5", 5},      {"+5", 5},    {"-1", -1},
                          {"010", 8}, {"0777", 511}, {"0x10", 16}, {"0X1f", 31}};
    for (const auto& c : accepted) {
        CAPTURE(c.text);
        const Result<int64_t> value = parse_integer(c.text, 0, -10, 1000);
        REQUIRE(value);
        CHECK(*value == c.value);
    }
}

TEST_CASE("texts that only begin like a number are refused") {
    for (const char* text : {"", "-", "+", "5x", "5 ", " 5", "1.5", "0x", "08", "5s", "--5", "x"}) {
        CAPTURE(text);
        const Result<int64_t> value = parse_integer(text, 0, -10, 1000);
        REQUIRE_FALSE(value);
        CHECK(value.error().message.find("not a whole number") == 0);
        CHECK(value.error().message.find("; give a whole number from -10 to 1000") !=
              std::string::npos);
    }
}

TEST_CASE("a number that only octal spoils is explained as octal") {
    const Result<int64_t> value = parse_integer("08", 0, 0, 10);
    REQUIRE_FALSE(value);
    CHECK(value.error().message.find("leading 0 means octal") != std::string::npos);
}

TEST_CASE("decimal numbers take a leading zero as a digit") {
    CHECK(parse_integer("010", 10, 0, 100).value() == 10);
    CHECK_FALSE(parse_integer("0x10", 10, 0, 100));
}

TEST_CASE("numbers outside their bounds are refused and the bounds are named") {
    for (const char* text : {"11", "-1", "99999999999", "99999999999999999999999999",
                             "-99999999999999999999999999", "9223372036854775808"}) {
        CAPTURE(text);
        const Result<int64_t> value = parse_integer(text, 0, 0, 10);
        REQUIRE_FALSE(value);
        CHECK(value.error().message == "out of range; give a whole number from 0 to 10");
    }
    CHECK(parse_integer("0", 0, 0, 10).value() == 0);
    CHECK(parse_integer("10", 0, 0, 10).value() == 10);
}

TEST_CASE("times are seconds with an optional fraction") {
    struct {
        const char* text;
        int64_t us;
    } const accepted[] = {{"0", 0},         {"15", 15'000'000},     {"0.5", 500'000},
                          {".5", 500'000},  {"1e3", 1'000'000'000}, {"+2", 2'000'000},
                          {"0.0000004", 0}, {"600.75", 600'750'000}};
    for (const auto& c : accepted) {
        CAPTURE(c.text);
        const Result<Duration> time = parse_seconds(c.text);
        REQUIRE(time);
        CHECK(time->count() == c.us);
    }
}

TEST_CASE("times with units, signs or no number are refused") {
    for (const char* text : {"", "5s", "x", "+", "1 2", "-", "0x10"}) {
        CAPTURE(text);
        const Result<Duration> time = parse_seconds(text);
        REQUIRE_FALSE(time);
        CHECK(time.error().message.find("without unit") != std::string::npos);
    }
    for (const char* text : {"-1", "-0.001", "inf", "nan", "1e30", "1e999", "1000000001"}) {
        CAPTURE(text);
        const Result<Duration> time = parse_seconds(text);
        REQUIRE_FALSE(time);
        CHECK(time.error().message == "out of range; give seconds from 0 to 1000000000");
    }
}

TEST_CASE("times are printed without needless digits and read back the same") {
    struct {
        int64_t us;
        const char* text;
    } const cases[] = {{0, "0"},         {15'000'000, "15"},
                       {500'000, "0.5"}, {600'750'000, "600.75"},
                       {1, "0.000001"},  {3'600'000'000, "3600"}};
    for (const auto& c : cases) {
        CHECK(seconds_text(Duration(c.us)) == c.text);
        CHECK(parse_seconds(c.text).value() == Duration(c.us));
    }
}

TEST_CASE("words are found in any letter case and a wrong one gets the list") {
    const Word words[] = {{"session", 1}, {"transaction", 2}};
    CHECK(parse_word("Session", words).value() == 1);
    CHECK(parse_word("TRANSACTION", words).value() == 2);
    CHECK_FALSE(parse_word("", words));
    CHECK_FALSE(parse_word("sessions", words));
    CHECK(parse_word("x", words).error().message ==
          "not a known word; give one of session, transaction");
    CHECK(std::string(word_text(2, words)) == "transaction");
}

TEST_CASE("lists drop blanks around items and empty items") {
    using Items = std::vector<std::string>;
    CHECK(split_list("").empty());
    CHECK(split_list(" , ,").empty());
    CHECK(split_list("a") == Items{"a"});
    CHECK(split_list("a, b\t,c,") == Items{"a", "b", "c"});
    CHECK(split_list("a b,c") == Items{"a b", "c"});
    CHECK(join_list({"a", "b"}) == "a,b");
    CHECK(join_list({}).empty());
}

TEST_CASE("edit distance counts single edits") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("abc", "") == 3);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("port", "prot") == 2);
}

TEST_CASE("the nearest candidate is suggested only when it is near") {
    const std::string_view names[] = {"listen_port", "listen_addr", "logfile"};
    CHECK(did_you_mean("listen_prot", names) == "; did you mean \"listen_port\"?");
    CHECK(did_you_mean("LOGFILE", names) == "; did you mean \"logfile\"?");
    CHECK(did_you_mean("shared_buffers", names).empty());
    CHECK(did_you_mean("", names).empty());
    CHECK(did_you_mean(std::string(100, 'x'), names).empty());
}

}  // namespace
}  // namespace weir::value_test
