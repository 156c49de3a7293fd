// Goal: the columns of every SHOW, their order and types stay as tools expect them.
// Method: the registry against show_columns.txt. WEIR_UPDATE_GOLDEN=1 rewrites the file.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "admin/console/show.h"

namespace weir {
namespace {

void append(std::string& out, const ShowSpec& spec) {
    out += "SHOW " + std::string(spec.topic) + "\n";
    for (const ResultColumn& column : spec.columns) {
        out += "    " + std::string(column.name) + " " + to_string(column.type) + "\n";
    }
}

TEST_CASE("the columns of SHOW are the golden ones") {
    constexpr const char* path = WEIR_SOURCE_DIR "/tests/golden/show_columns.txt";
    std::string actual;
    for (const ShowSpec* spec : show_table())
        append(actual, *spec);
    for (const ShowSpec& spec : setting_table())
        append(actual, spec);
    if (std::getenv("WEIR_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << actual;
    std::ifstream file(path);
    std::stringstream expected;
    expected << file.rdbuf();
    INFO("regenerate ", path, " with WEIR_UPDATE_GOLDEN=1");
    CHECK(actual == expected.str());
}

}  // namespace
}  // namespace weir
