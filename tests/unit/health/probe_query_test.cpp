// Goal: the answer of a probe is read field by field, and what a role may not call is not asked.
// Method: rows by hand; that servers understand the query is the integration suite's to show.
#include "health/probe_query.h"

#include <doctest/doctest.h>

#include <array>
#include <vector>

namespace weir::probe_query_test {
namespace {

using Row = std::vector<std::string_view>;

ProbeReport read(const Row& row) {
    ProbeReport report;
    read_probe_row(row, report);
    return report;
}

}  // namespace

TEST_CASE("an LSN is two hexadecimal halves") {
    CHECK(parse_lsn("16/B374D848") == 0x16'B374'D848);
    CHECK(parse_lsn("0/0") == 0);
    for (const char* text : {"", "/", "1/", "/1", "1", "1/g", "1/2/3", "100000000/0", "-1/0"})
        CHECK_FALSE(parse_lsn(text).has_value());
}

TEST_CASE("a primary's row") {
    const ProbeReport report = read(
        {"f", "0/30406B0", "", "0000001B0000000100000003", "", "7711459865088418877", "12", ""});
    CHECK(report.has_role);
    CHECK_FALSE(report.result.is_in_recovery);
    CHECK(report.result.lsn == 0x30406B0);
    CHECK(report.result.timeline == 27);
    CHECK(report.result.system_identifier == 7711459865088418877);
    CHECK_FALSE(report.result.replay_delay.has_value());
    CHECK(report.result.backend_count == 12);
}

TEST_CASE("a replica's row") {
    const ProbeReport report = read({"t", "1/2", "1500000", "", "3", "-1", "0", "t"});
    CHECK(report.result.is_in_recovery);
    CHECK(report.result.replay_delay == std::chrono::milliseconds(1500));
    CHECK(report.result.timeline == 3);
    CHECK(report.result.system_identifier == UINT64_MAX);
    CHECK(report.has_caught_up);
}

TEST_CASE("a clock that is ahead makes no negative lag") {
    CHECK(read({"t", "", "-5", "", "", "", "", ""}).result.replay_delay == Duration(0));
}

TEST_CASE("what is empty or odd stays unknown, a row without a role tells nothing") {
    const ProbeReport report = read({"t", "", "", "", "", "", "", ""});
    CHECK(report.has_role);
    CHECK(report.result.lsn == 0);
    CHECK(report.result.timeline == 0);
    CHECK(report.result.system_identifier == 0);
    CHECK_FALSE(report.has_caught_up);
    CHECK_FALSE(read({}).has_role);
    CHECK_FALSE(read({"t"}).has_role);
    CHECK_FALSE(read({"", "", "", "", "", "", "", ""}).has_role);
    CHECK(read({"f", "x", "x", "0000", "x", "x", "x", "x"}).result.timeline == 0);
}

TEST_CASE("only what may be called is asked for") {
    const std::string least = probe_query({});
    CHECK(least.find("pg_is_in_recovery") != std::string::npos);
    CHECK(least.find("pg_control") == std::string::npos);
    CHECK(least.find("wal") == std::string::npos);
    const std::array<std::string_view, 8> all = {"t", "t", "t", "t", "t", "t", "t", "t"};
    CHECK(probe_query(read_capabilities(all)).find("pg_control_system") != std::string::npos);
    const std::array<std::string_view, 8> some = {"f", "t", "t", "t", "t", "t", "t", "t"};
    CHECK(probe_query(read_capabilities(some)).find("pg_control_system") == std::string::npos);
    CHECK(probe_query(read_capabilities(Row{"t"})) == least);
}

}  // namespace weir::probe_query_test
