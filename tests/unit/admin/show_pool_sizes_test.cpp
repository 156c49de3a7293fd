// Goal: SHOW POOL_SIZES tells what each pool has, wants and may have. Method: the console over
// pools by hand.
#include <doctest/doctest.h>

#include "tests/unit/admin/console_fixture.h"

namespace weir::console_test::show_pool_sizes_test {
namespace {

TEST_CASE("SHOW POOL_SIZES tells what each pool has, wants and may have") {
    Fixture f;
    CHECK(f.run("SHOW POOL_SIZES").rows.empty());
    Config config;
    config.global.default_pool_size = 7;
    config.global.min_pool_size = 2;
    config.global.login_burst = 4;
    config.global.pool_sizing = SizingMode::Adaptive;
    DatabaseConfig& app = config.databases["app"];
    app.name = "app";
    DatabaseConfig& open = config.databases["open"];
    open.name = "open";
    open.pool_size = 0;
    open.pool_sizing = SizingMode::Fixed;
    Pool& pool = f.inspector.pools().find_or_create(config, app, "bob").first();
    f.inspector.pools().find_or_create(config, open, "eve");
    Waiter waiter;
    const Instant now = f.inspector.time;
    const Pool::Acquired got = pool.acquire(waiter, 0, now);
    REQUIRE(got.open != nullptr);
    pool.retire(*got.open, 0, now, Error("08006", "away"));
    pool.resize(now);
    pool.set_share(3);

    const Answer answer = f.run("SHOW POOL_SIZES");
    REQUIRE(answer.rows.size() == 2);
    auto row = answer.row("app");
    CHECK(row["user"] == "bob");
    CHECK(row["backend"] == "NULL");
    CHECK(row["mode"] == "adaptive");
    CHECK(row["in_use"] == "0");
    CHECK(row["idle"] == "0");
    CHECK(row["waiting"] == "1");
    CHECK(row["target"] == "2");
    CHECK(row["ceiling"] == "7");
    CHECK(row["min"] == "2");
    CHECK(row["max"] == "7");
    CHECK(row["share"] == "3");
    CHECK(row["logins"] == "0");
    CHECK(row["burst"] == "2");
    CHECK(row["failures"] == "1");
    const int retry = std::stoi(row["next_retry_ms"]);
    CHECK(retry >= 80);
    CHECK(retry <= 100);
    row = answer.row("open");
    CHECK(row["mode"] == "fixed");
    for (const char* column : {"target", "ceiling", "max", "share", "next_retry_ms"})
        CHECK(row[column] == "NULL");
    pool.leave(waiter, now);
}

}  // namespace
}  // namespace weir::console_test::show_pool_sizes_test
