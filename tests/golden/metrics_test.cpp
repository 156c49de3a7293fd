// Goal: the names of metrics stay as they are, and conf/metrics.md says what the table says.
// Method: tests/golden/metrics.txt and conf/metrics.md are compared with what the table makes.
// WEIR_UPDATE_GOLDEN=1 writes both anew.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "admin/metrics/metric_table.h"

namespace weir {
namespace {

void compare(const std::string& path, const std::string& now) {
    const std::string full = std::string(WEIR_SOURCE_DIR "/") + path;
    if (std::getenv("WEIR_UPDATE_GOLDEN") != nullptr) std::ofstream(full) << now;
    std::stringstream text;
    text << std::ifstream(full).rdbuf();
    CHECK_MESSAGE(text.str() == now, path << " is not what the table says: WEIR_UPDATE_GOLDEN=1 "
                                             "build/weir-golden writes it");
}

TEST_CASE("the list of metrics") {
    compare("tests/golden/metrics.txt", metric_list());
}

TEST_CASE("conf/metrics.md") {
    compare("conf/metrics.md", metric_reference());
}

TEST_CASE("names and helps of metrics follow the conventions") {
    std::set<std::string_view> names;
    for (const MetricSpec& spec : metric_table()) {
        CAPTURE(spec.name);
        CHECK(names.insert(spec.name).second);
        CHECK((spec.name.starts_with("weir_") || spec.name.starts_with("process_")));
        CHECK(spec.name.ends_with("_total") == (spec.kind == MetricKind::Counter));
        if (spec.kind == MetricKind::Histogram) CHECK(spec.name.ends_with("_seconds"));
        REQUIRE_FALSE(spec.help.empty());
        CHECK(spec.help.back() == '.');
        CHECK(spec.help.find('|') == std::string_view::npos);
    }
}

}  // namespace
}  // namespace weir
