// Goal: the first word is found, and a tree is never deeper than was said beforehand.
// Method: texts by hand, the corpus, and random texts of what nests, against the parser's own
// trees.
#include "proxy/routing/sql_shape.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "protocol/base/random.h"
#include "tests/support/parse_tree_depth.h"
#include "tests/support/read_only_corpus.h"

namespace weir::sql_shape_test {
namespace {

TEST_CASE("the first word is behind space, comments, semicolons and parentheses") {
    CHECK(shape_of("SELECT 1").first_word == "SELECT");
    CHECK(shape_of(" \t\n-- no\n/* no /* no */ no */;( (select").first_word == "select");
    CHECK(shape_of("select1").first_word == "select1");
    CHECK(shape_of("select/**/1").first_word == "select");
    CHECK(shape_of("\"select\"").first_word.empty());
    CHECK(shape_of("'a' select").first_word.empty());
    CHECK(shape_of("[select").first_word.empty());
    CHECK(shape_of("1 select").first_word.empty());
    CHECK(shape_of("-- select").first_word.empty());
    CHECK(shape_of("/* select").first_word.empty());
}

TEST_CASE("empty is what has no token but semicolons") {
    for (const char* sql : {"", " ", ";", " ; ;", "-- x", "/* ; */", "/*/**/*/", "--"})
        CHECK(shape_of(sql).is_empty);
    for (const char* sql : {"(", ")", "((", "'", "\"", "$", "-", "/", "1", "x", "/* */x", "\x80"})
        CHECK_FALSE(shape_of(sql).is_empty);
}

TEST_CASE("elements of a list stand beside each other, links of a chain do not") {
    CHECK(shape_of("a").depth_bound == 1);
    CHECK(shape_of("a b c").depth_bound == 3);
    CHECK(shape_of("a b, c, d").depth_bound == 2);
    CHECK(shape_of("(a, b, c)").depth_bound == 2);
    CHECK(shape_of("((a))").depth_bound == 3);
    CHECK(shape_of("(a) b (c) d").depth_bound == 6);
    CHECK(shape_of("(a), (b), (c, d)").depth_bound == 2);
    CHECK(shape_of("a[b, c]").depth_bound == 3);
    CHECK(shape_of("a, b union a, b UNION a, b").depth_bound == 5);
    CHECK(shape_of("(a").depth_bound == 2);
    CHECK(shape_of(") a )").depth_bound == 3);
    CHECK(shape_of(std::string(kParenthesesMax - 1, '(')).depth_bound < kDepthBeyond);
    CHECK(shape_of(std::string(kParenthesesMax, '(')).depth_bound == kDepthBeyond);
}

TEST_CASE("quotes and comments hide what is in them") {
    for (const char* sql :
         {"'a b ( , c'", "'a''b c'", "\"a b\"\"c\"", "$$ a ' b $$", "$x$ a $$ b $x$", "E'a \\' b'",
          "e'a\\\\'", "E'a' -- x\n '\\' b'", "E'a'\n\n'\\''", "/* a ' b */ c", "c -- ' a b",
          "E'unterminated \\", "'unterminated a b", "$a$ unterminated", "12345"})
        CHECK(shape_of(sql).depth_bound == 1);
    CHECK(shape_of("'a\\' b").depth_bound == 2);      // no escape without E
    CHECK(shape_of("E'a' '\\' b").depth_bound == 3);  // goes on only behind a line's end
    CHECK(shape_of("a$b$ c $b$").depth_bound >= 3);   // the dollar is part of the word
    CHECK(shape_of("$1 $2").depth_bound >= 2);
}

void check_bound(const std::string& sql) {
    CAPTURE(sql);
    const uint32_t bound = shape_of(sql).depth_bound;
    if (bound > 1000) return;
    CHECK(parse_tree_depth(sql) <= nested_messages_max(bound));
}

TEST_CASE("the parser's trees are within the bound") {
    for (const CorpusRow& row : read_only_corpus())
        check_bound(row.sql);
}

TEST_CASE("trees of random texts are within the bound") {
    constexpr std::array<const char*, 44> kPieces{"SELECT ",
                                                  "1",
                                                  " + ",
                                                  ", ",
                                                  "(",
                                                  ")",
                                                  "a",
                                                  "[",
                                                  "]",
                                                  " UNION ",
                                                  "NOT ",
                                                  "- ",
                                                  "::int",
                                                  " FROM ",
                                                  " JOIN ",
                                                  " ON ",
                                                  "CASE WHEN ",
                                                  " THEN ",
                                                  " END",
                                                  " IS NULL",
                                                  "'x'",
                                                  "\"q\"",
                                                  "E'\\''",
                                                  "E'a'\n'b\\''",
                                                  "$$x$$",
                                                  "f(",
                                                  "ARRAY[",
                                                  " IN (",
                                                  " AND ",
                                                  " OR ",
                                                  ";",
                                                  "VALUES (",
                                                  "WITH a AS (",
                                                  " EXCEPT ALL SELECT ",
                                                  "/* , */",
                                                  "-- ,\n",
                                                  "EXISTS (SELECT ",
                                                  " BETWEEN ",
                                                  " WHERE ",
                                                  " COLLATE \"C\"",
                                                  ".b",
                                                  " AT TIME ZONE ",
                                                  " LIKE ",
                                                  "ROW("};
    Prng random(20240501);
    for (int round = 0; round < 20'000; ++round) {
        std::string sql = random.below(2) == 0 ? "SELECT " : "";
        for (uint64_t left = 1 + random.below(30); left > 0; --left) {
            const char* const piece = kPieces[random.below(kPieces.size())];
            for (uint64_t times = random.below(8) == 0 ? 12 : 1; times > 0; --times)
                sql += piece;
        }
        check_bound(sql);
    }
}

}  // namespace
}  // namespace weir::sql_shape_test
