// Goal: what is called read-only is, and each reason not to be is told.
// Method: a table of statements in a file (integration tests run those that are proven on a real
// standby), deep and long ones made here, several threads at once.
#include "proxy/routing/read_only_proof.h"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/read_only_corpus.h"

namespace weir::read_only_proof_test {
namespace {

std::string repeat(std::string_view text, size_t times) {
    std::string out;
    while (times-- > 0)
        out += text;
    return out;
}

std::string verdict_of(const Proof& proof, bool with_detail) {
    if (proof.kind == ProofKind::ReadOnly) return "read_only";
    if (proof.kind == ProofKind::ReadOnlyBlock) return "block";
    std::string out(reason_name(proof.reason));
    if (with_detail) out.append(":").append(proof.detail());
    return out;
}

TEST_CASE("each statement of the corpus has its verdict") {
    const std::vector<CorpusRow> rows = read_only_corpus();
    REQUIRE(rows.size() > 300);
    for (const CorpusRow& row : rows) {
        CAPTURE(row.sql);
        const bool with_detail = row.verdict.find(':') != std::string::npos;
        const Proof proof = prove_read_only(row.sql);
        CHECK(verdict_of(proof, with_detail) == row.verdict);
        CHECK(proof.is_proven() == (proof.reason == ProofReason::Proven));
    }
}

TEST_CASE("anything behind a proven statement is looked at, too") {
    for (const CorpusRow& row : read_only_corpus()) {
        if (row.verdict != "read_only") continue;
        CAPTURE(row.sql);
        // A comment that is last may end the line or not.
        CHECK_FALSE(prove_read_only(row.sql + "\n; DELETE FROM users").is_proven());
        CHECK_FALSE(prove_read_only(row.sql + "\n; SELECT nextval('s')").is_proven());
        CHECK_FALSE(prove_read_only("SELECT 1; DELETE FROM users;" + row.sql).is_proven());
    }
}

TEST_CASE("no piece of a statement that writes is proven with its writing part") {
    for (const std::string_view sql :
         {"SELECT nextval('s')", "SELECT 1 FOR UPDATE", "SELECT 1 INTO x"}) {
        CHECK_FALSE(prove_read_only(sql).is_proven());
        CHECK_FALSE(prove_read_only("SELECT (" + std::string(sql) + ")").is_proven());
        CHECK_FALSE(prove_read_only("EXPLAIN " + std::string(sql)).is_proven());
    }
}

TEST_CASE("texts that are too long, too deep or not texts are not proven") {
    const std::string list = "SELECT 1 WHERE 1 IN (" + repeat("1, ", 15'000) + "1)";
    CHECK(prove_read_only(list).is_proven());
    CHECK(prove_read_only(list, list.size()).is_proven());
    CHECK(prove_read_only(list, list.size() - 1).reason == ProofReason::TooLong);
    CHECK(prove_read_only("SELECT 1" + std::string(kProofBytesMax, ' ')).reason ==
          ProofReason::TooLong);
    CHECK(prove_read_only(std::string_view("SELECT 1\0", 9)).reason == ProofReason::Unparsable);
    CHECK(prove_read_only(std::string_view("SELECT 1\0; DELETE FROM t", 24)).reason ==
          ProofReason::Unparsable);
}

TEST_CASE("depth is bounded in every direction that a text can nest") {
    struct Shape {
        std::string_view before, open, middle, close;
    };
    const std::array<Shape, 16> shapes{{
        {"SELECT ", "(", "1", ")"},
        {"", "SELECT (", "SELECT 1", ")"},
        {"SELECT ", "NOT ", "true", ""},
        {"SELECT ", "- ", "1", ""},
        {"SELECT 1", "", "", " + 1"},
        {"SELECT 1", "", "", " UNION ALL SELECT 1"},
        {"SELECT 1, 2", "", "", " UNION SELECT 1, 2"},
        {"SELECT ", "abs(", "1", ")"},
        {"SELECT ", "CASE WHEN true THEN ", "1", " END"},
        {"SELECT ", "ARRAY[", "1", "]"},
        {"SELECT a", "[a", "", "]"},
        {"SELECT 1", "", "", "::int"},
        {"SELECT 1", "", "", " IS NULL"},
        {"SELECT * FROM a", "", "", " JOIN a ON true"},
        {"", "SELECT * FROM (", "SELECT 1", ") s"},
        {"", "WITH a AS (", "SELECT 1", ") SELECT 1"},
    }};
    for (const Shape& shape : shapes) {
        for (const size_t depth : {10U, 100U, 300U, 1'000U, 4'000U}) {
            const std::string sql = std::string(shape.before) + repeat(shape.open, depth) +
                                    std::string(shape.middle) + repeat(shape.close, depth);
            CAPTURE(sql.substr(0, 60));
            CAPTURE(depth);
            const Proof proof = prove_read_only(sql, sql.size());
            CHECK((proof.is_proven() || proof.reason == ProofReason::TooDeep));
            if (depth == 10) CHECK(proof.is_proven());
            if (depth == 4'000) CHECK(proof.reason == ProofReason::TooDeep);
        }
    }
    CHECK(prove_read_only("SELECT 1 WHERE " + repeat("a = 1 AND ", 200) + "true").is_proven());
    CHECK(prove_read_only("SELECT " + repeat("t0.a AS b, ", 1'000) + "1 FROM t0").is_proven());
    CHECK(prove_read_only("VALUES " + repeat("(1, 'a', now()), ", 1'000) + "(1)").is_proven());
}

TEST_CASE("a detail is cut, not overrun") {
    const std::string name(200, 'f');
    const Proof proof = prove_read_only("SELECT \"" + name + "\"()");
    CHECK(proof.reason == ProofReason::UnsafeFunction);
    CHECK(name.starts_with(proof.detail()));
    CHECK(proof.detail().size() > 50);
}

TEST_CASE("the parser serves several threads at once") {
    const std::vector<CorpusRow> rows = read_only_corpus();
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 4; ++i) {
        threads.emplace_back([&rows, &wrong, i] {
            for (size_t n = 0; n < rows.size(); ++n) {
                const CorpusRow& row = rows[(n + i * 37) % rows.size()];
                const bool expected = row.verdict == "read_only" || row.verdict == "block";
                if (prove_read_only(row.sql).is_proven() != expected) ++wrong;
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    CHECK(wrong == 0);
}

TEST_CASE("only sessions whose texts read as the parser reads them") {
    for (const char* encoding : {"UTF8", "UNICODE", "SQL_ASCII", "LATIN1", "LATIN9", "WIN1252",
                                 "EUC_JP", "KOI8R", "ISO_8859_5"})
        CHECK(parses_alike(encoding, "on"));
    for (const char* encoding : {"", "SJIS", "BIG5", "GBK", "GB18030", "UHC", "JOHAB", "utf8"})
        CHECK_FALSE(parses_alike(encoding, "on"));
    CHECK_FALSE(parses_alike("UTF8", "off"));
    CHECK_FALSE(parses_alike("UTF8", ""));
}

TEST_CASE("every reason has a name of its own") {
    for (size_t i = 0; i < static_cast<size_t>(ProofReason::kCount); ++i) {
        CHECK_FALSE(reason_text(static_cast<ProofReason>(i)).empty());
        for (size_t k = 0; k < i; ++k) {
            CHECK(reason_name(static_cast<ProofReason>(i)) !=
                  reason_name(static_cast<ProofReason>(k)));
        }
    }
}

}  // namespace
}  // namespace weir::read_only_proof_test
