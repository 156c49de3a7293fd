// Goal: what the start says of the descriptors that may be needed grows with the configuration.
// Method: small configurations that differ in one thing, against the empty one.
#include "proxy/start/open_files.h"

#include <doctest/doctest.h>

namespace weir::open_files_test {
namespace {

DatabaseConfig database(const char* name) {
    DatabaseConfig out;
    out.name = name;
    return out;
}

TEST_CASE("expected files: clients, and a pool for each user of each database") {
    Config config;
    config.global.max_client_conn = 0;
    const long own = expected_open_files(config);
    CHECK(own > 0);
    config.global.max_client_conn = 1000;
    CHECK(expected_open_files(config) == own + 1000);
    config.databases["a"] = database("a");
    CHECK(expected_open_files(config) == own + 1000 + 20);
    config.global.reserve_pool_size = 5;
    CHECK(expected_open_files(config) == own + 1000 + 25);
    config.secrets = {{"x", ""}, {"y", ""}, {"z", ""}};
    CHECK(expected_open_files(config) == own + 1000 + 3 * 25);
    config.databases["a"].user = "x";
    CHECK(expected_open_files(config) == own + 1000 + 25);
    config.databases["b"] = database("b");
    config.databases["b"].max_db_connections = 10;
    CHECK(expected_open_files(config) == own + 1000 + 25 + 10);
}

}  // namespace
}  // namespace weir::open_files_test
