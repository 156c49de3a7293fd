// Goal: a report shows what a query is and never a value of anybody's, whatever the text and
// wherever it was cut. Method: examples; every prefix of one full of literals; random bytes.
#include "proxy/leaks/query_text.h"

#include <doctest/doctest.h>

#include "protocol/base/random.h"

namespace weir::query_text_test {
namespace {

TEST_CASE("literals are masked, names and parameters stay") {
    const std::pair<const char*, const char*> examples[] = {
        {"select 1", "select ?"},
        {"select a1, t2.b from t2", "select a1, t2.b from t2"},
        {"select 'it''s', 'x'||'y'", "select ?, ?||?"},
        {"select E'a\\'b', b'01', X'ff', N'n', e'' from e", "select ?, ?, ?, ?, ? from e"},
        {"select $1, $23::int", "select $1, $23::int"},
        {"select $$a 'b$$, $t$ $$ $x$ $t$", "select ?, ?"},
        {"select 1.5e-3, .5, 0x1F, 1_000, -7", "select ?, ?, ?, ?, -?"},
        {"select \"a 'b' 1\" from \"T\"", "select \"a 'b' 1\" from \"T\""},
        {"  select\n\t1  ", "select ?"},
        {"select 1 -- secret 2\n, 3", "select ? , ?"},
        {"select /* a /* b */ 'c' */ 4", "select ?"},
        {"select '\xc3\xa4', \xc3\xa4 from t", "select ?, \xc3\xa4 from t"},
        {"select \xe4 from t", "select ? from t"},  // LATIN1
        {"", ""},
        {"   ", ""},
    };
    for (const auto& example : examples) {
        CAPTURE(example.first);
        CHECK(normalise_query(std::string_view(example.first)) == example.second);
    }
}

TEST_CASE("a text that is cut shows nothing of the literal it was cut in") {
    const std::string sql =
        "select 'secret', E'se\\'cret', $$secret$$, $tag$secret$tag$ /* secret */, 5 -- secret";
    for (size_t bytes = 0; bytes <= sql.size(); ++bytes) {
        const std::string text = normalise_query(std::string_view(sql).substr(0, bytes));
        CAPTURE(text);
        CHECK(text.find("secr") == std::string::npos);
        CHECK(text.find("cret") == std::string::npos);
    }
}

bool is_utf8(std::string_view text) {
    // Normalising a quoted name again masks what is no UTF-8, and changes nothing else.
    return shown_text(text, text.size()) == text;
}

TEST_CASE("whatever bytes come, what is shown is clean text and not longer") {
    Prng random(7);
    for (int round = 0; round < 20'000; ++round) {
        std::string sql;
        for (uint64_t left = random.below(40); left > 0; --left) {
            constexpr std::string_view kLikely = "'\"$/*-- eE09a.;\\\xc3\xa4\xff\n";
            sql += random.below(4) == 0 ? static_cast<char>(random.below(256))
                                        : kLikely[random.below(kLikely.size())];
        }
        const std::string text = normalise_query(std::string_view(sql));
        CHECK(text.size() <= sql.size());
        CHECK(is_utf8(text));
    }
    CHECK(shown_text("a\nb\xff"
                     "c\x7f",
                     10) == "ab?c");
    CHECK(shown_text("abc\xc3\xa4", 4) == "abc?");
}

TEST_CASE("a noted beginning ends at the NUL or at its limit, and says when it was cut") {
    QueryPrefix prefix;
    CHECK(prefix.empty());
    prefix.note(std::string_view("select 1\0and more", 17));
    CHECK(prefix.text() == "select 1");
    CHECK_FALSE(prefix.is_cut());
    std::string sql(QueryPrefix::kBytesMax, 'x');
    sql += '\0';
    prefix.note(sql);
    CHECK(prefix.text().size() == QueryPrefix::kBytesMax);
    CHECK_FALSE(prefix.is_cut());
    prefix.note(std::string(QueryPrefix::kBytesMax + 1, 'x'));
    CHECK(prefix.text().size() == QueryPrefix::kBytesMax);
    CHECK(prefix.is_cut());
    CHECK(normalise_query(prefix) == std::string(QueryPrefix::kBytesMax, 'x') + "...");
    prefix.note_prepared("stmt");
    CHECK(prefix.text() == "EXECUTE stmt");
    prefix.note_prepared(std::string(300, 'n'));
    CHECK(prefix.is_cut());
    prefix.clear();
    CHECK(prefix.empty());
}

TEST_CASE("the digest tells queries apart and is none without text") {
    const auto digest = [](std::string_view sql) { return query_digest(normalise_query(sql)); };
    CHECK(digest("select 1") == digest("select  2"));
    CHECK(digest("select 1") != digest("select a"));
    CHECK(digest("") == 0);
}

}  // namespace
}  // namespace weir::query_text_test
