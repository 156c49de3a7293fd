// Goal: errors and closed connections are counted by their kind, and nothing is left out.
// Method: the reasons are looked for in the sources, so that a new one has to be given a kind.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "proxy/stats/counters.h"
#include "proxy/stats/worker_counters.h"

namespace weir::stats_test {
namespace {

namespace fs = std::filesystem;

// Texts that follow close(server, close(*server, and must_close( in a source.
std::vector<std::string> reasons_in(const fs::path& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    const std::string source = text.str();
    std::vector<std::string> out;
    for (const std::string call : {"close(server, \"", "close(*server, \"", "must_close(\""}) {
        for (size_t at = source.find(call); at != std::string::npos; at = source.find(call, at)) {
            at += call.size();
            out.push_back(source.substr(at, source.find('"', at) - at));
        }
    }
    return out;
}

TEST_CASE("errors are counted by the class of their SQLSTATE") {
    CHECK(std::is_sorted(std::begin(kSqlstateClasses), std::end(kSqlstateClasses)));
    ErrorCounters errors;
    const auto count = [&errors](std::string_view name) {
        for (size_t i = 0; i < ErrorCounters::kCount; ++i) {
            if (ErrorCounters::name(i) == name) return errors.count(i);
        }
        return uint64_t{99};
    };
    for (const char* sqlstate : {"42P01", "42601", "08P01", "XX000", "00000", "QQ123", "", "4"})
        errors.note(sqlstate);
    CHECK(count("42") == 2);
    CHECK(count("08") == 1);
    CHECK(count("XX") == 1);
    CHECK(count("00") == 1);
    CHECK(count("_other") == 3);
    CHECK(count("57") == 0);
}

TEST_CASE("the reasons that a server is closed for have a kind") {
    CHECK(classify_close("server idle timeout") == CloseReason::Unused);
    CHECK(classify_close("TLS connection broken: unexpected eof") == CloseReason::Server);
    CHECK(classify_close("administrator said so") == CloseReason::Other);
    CHECK(to_text(CloseReason::Unused) == "unused");
    CHECK(to_text(CloseReason::Other) == "_other");

    // Those without a kind end a connection that has not logged in, which is a failed login and no
    // closing.
    const std::string before_login =
        "connect failed, connect timeout, login failed, server said more than it was asked for";
    size_t found = 0;
    for (const char* folder : {"proxy/session", "proxy/pool"}) {
        for (const fs::directory_entry& file :
             fs::directory_iterator(fs::path(WEIR_SOURCE_DIR) / folder)) {
            if (file.path().extension() != ".cpp") continue;
            for (const std::string& why : reasons_in(file.path())) {
                ++found;
                const bool is_known = classify_close(why) != CloseReason::Other ||
                                      before_login.find(why) != std::string::npos;
                CHECK_MESSAGE(is_known, why);
            }
        }
    }
    CHECK(found > 20);
}

TEST_CASE("a pool that lends nothing has no histograms") {
    PoolCounters counters;
    CHECK(counters.histograms.find() == nullptr);
    counters.histograms.get().hold.record(std::chrono::milliseconds(1));
    REQUIRE(counters.histograms.find() != nullptr);
    PoolHistogramTotals totals;
    totals.add(*counters.histograms.find());
    CHECK(totals.hold.count() == 1);
    CHECK(totals.wait.count() == 0);
    static_assert(sizeof(PoolHistograms) < 1600);
}

}  // namespace
}  // namespace weir::stats_test
