// Goal: the status page says what is wrong, first, and nobody's text gets into it as markup.
// Method: views as the control thread makes them, and the text that comes of them.
#include <doctest/doctest.h>

#include "admin/page/render.h"
#include "admin/page/sections.h"
#include "admin/page/sparkline.h"

namespace weir::page_test {
namespace {

constexpr ResultColumn kPools[] = {{"database"},   {"user"},      {"cl_active"},
                                   {"cl_waiting"}, {"sv_active"}, {"maxwait"}};
constexpr ShowSpec kPoolsSpec = {.topic = "POOLS", .columns = kPools};
constexpr ResultColumn kBackends[] = {{"name"}, {"state"}, {"health"}, {"why"}, {"probe_error"}};
constexpr ShowSpec kBackendsSpec = {.topic = "BACKENDS", .columns = kBackends};
constexpr const char* kHostile = "<script>alert('x')</script>\"&\x01";

PageView view_with(const PageHistory& history) {
    PageView view;
    view.history = &history;
    view.clients_max = 100;
    view.version = "1";
    return view;
}

TEST_CASE("page: text of others is escaped") {
    CHECK(Html::text(kHostile).str() ==
          "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;\xef\xbf\xbd");
    const PageHistory history;
    PageView view = view_with(history);
    view.readiness.databases.push_back({kHostile, "why", kHostile});
    view.failures.push_back({kHostile, kHostile, kHostile});
    view.waiting.push_back({kHostile, kHostile, kHostile, kHostile, 3});
    view.tables.emplace_back(&kPoolsSpec, std::vector<Cells>{{kHostile, kHostile, 1, 2, 1, 5}});
    view.tables.emplace_back(&kBackendsSpec,
                             std::vector<Cells>{{kHostile, kHostile, 50, kHostile, kHostile}});
    const std::string page = render_page(view, "nonce");
    CHECK(page.find("<script>alert") == std::string::npos);
    CHECK(page.find("&lt;script&gt;alert(&#39;x&#39;)") != std::string::npos);
    CHECK(page.find('\x01') == std::string::npos);
}

// The columns that are read of tables which say more.
TEST_CASE("page: every table has its section") {
    static constexpr ResultColumn kQueries[] = {{"query"},    {"database"}, {"calls"},
                                                {"total_us"}, {"percent"},  {"wait_percent"},
                                                {"mean_us"}};
    static constexpr ResultColumn kWaiters[] = {{"application_name"}, {"database"},
                                                {"waits_for"},        {"wait_ms"},
                                                {"position"},         {"holder_application_name"}};
    static constexpr ResultColumn kEvents[] = {
        {"time"}, {"kind"}, {"subject"}, {"event"}, {"detail"}};
    static constexpr ResultColumn kWorkers[] = {{"worker"}, {"clients"}, {"cpu_ms"}};
    static constexpr ResultColumn kHealth[] = {{"backend"}, {"alerts"}};
    static constexpr ShowSpec kSpecs[] = {{.topic = "QUERIES", .columns = kQueries},
                                          {.topic = "WAITERS", .columns = kWaiters},
                                          {.topic = "EVENTS", .columns = kEvents},
                                          {.topic = "WORKERS", .columns = kWorkers},
                                          {.topic = "HEALTH", .columns = kHealth}};
    const PageHistory history;
    PageView view = view_with(history);
    for (const std::string_view id : {"queries", "leaks", "events", "workers", "backends"}) {
        const std::string empty = "<section data-live id=\"" + std::string(id) + "\"></section>";
        CHECK(render_page(view, "n").find(empty) != std::string::npos);
    }
    view.tables.emplace_back(&kSpecs[0],
                             std::vector<Cells>{{"select $1", "app", 5, 1000, 10, 3, 200},
                                                {"select <$2>", "app", 5000, 9000, 90, 3, 1'500}});
    view.tables.emplace_back(&kSpecs[1],
                             std::vector<Cells>{{"web", "app", "server", 20, 2, "batch"},
                                                {"cron", "app", "limit", 1500, 1, ""}});
    view.tables.emplace_back(
        &kSpecs[2], std::vector<Cells>{{"2026-01-31 12:00:00 UTC", "pool", "app", "grew", "why"}});
    view.tables.emplace_back(&kSpecs[3], std::vector<Cells>{{0, 7, 1'234}});
    view.tables.emplace_back(
        &kSpecs[4], std::vector<Cells>{{"pg1", "two primaries"}, {"pg2", "two primaries"}});
    const std::string queries = queries_section(view).str();
    CHECK(queries.find("select &lt;$2&gt;") < queries.find("select $1"));
    CHECK(queries.find("5,000") != std::string::npos);
    CHECK(queries.find("1.50 ms") != std::string::npos);
    const std::string waiting = waiting_section(view).str();
    CHECK(waiting.find("cron") < waiting.find("web"));
    CHECK(waiting.find("1.5 s") != std::string::npos);
    CHECK(waiting.find("batch") != std::string::npos);
    CHECK(events_section(view).str().find("01-31 12:00:00<") != std::string::npos);
    CHECK(workers_section(view).str().find("1.2 s") != std::string::npos);
    REQUIRE(troubles(view).size() == 1);  // told once
    CHECK(troubles(view)[0].subject == "backend pg1");
}

TEST_CASE("page: what is wrong, the worst first") {
    const PageHistory history;
    PageView view = view_with(history);
    CHECK(troubles(view).empty());
    CHECK(render_page(view, "n").find("All is well.") != std::string::npos);
    view.tables.emplace_back(
        &kPoolsSpec, std::vector<Cells>{{"app", "joe", 1, 2, 5, 3}, {"calm", "joe", 1, 2, 5, 0}});
    view.tables.emplace_back(&kBackendsSpec,
                             std::vector<Cells>{{"pg1", "UP", 100, "ok", ""},
                                                {"pg2", "EJECTED", 0, "5 failures", "refused"}});
    view.clients = 90;
    const std::vector<Trouble> found = troubles(view);
    REQUIRE(found.size() == 3);
    CHECK(found[0].is_bad);
    CHECK(found[0].subject == "backend pg2");
    CHECK(found[0].text == "EJECTED: 5 failures (refused)");
    CHECK(found[1].subject == "clients");
    CHECK(found[2].subject == "pool app / joe");
    CHECK(found[2].text.rfind("2 clients wait for a server, the longest for 3.0 s", 0) == 0);
    CHECK(render_page(view, "n").find("<title>(3) Weir</title>") != std::string::npos);
}

TEST_CASE("page: the last hour has a place for each ten seconds, and gaps") {
    PageHistory history;
    CHECK_FALSE(history.latest());
    HistoryCounts counts;
    PoolTotals& totals = counts.pools;
    const auto at = [](int64_t seconds) { return Instant{seconds * 1'000'000}; };
    history.add(at(100), counts, 0, 0);
    CHECK_FALSE(history.latest());  // nothing to compare with
    totals.transactions = 50;
    totals.queries = 100;
    totals.query_us = 200'000;
    counts.errors = 20;
    history.add(at(110), counts, 3, 2);
    REQUIRE(history.latest());
    CHECK(history.latest()->transactions == doctest::Approx(5));
    CHECK(history.latest()->query_ms.value_or(0) == doctest::Approx(2));
    CHECK(history.latest()->wait_ms.value_or(-1) == doctest::Approx(0));
    CHECK(history.latest()->waiting == 3);
    CHECK(history.latest()->errors == doctest::Approx(2));
    totals.transactions = 10;  // pools have gone
    history.add(at(140), counts, 0, 0);
    CHECK(history.latest()->transactions == 0);
    const std::vector<std::optional<HistorySample>> hour = history.last_hour();
    CHECK(hour.size() == PageHistory::kSamples);
    CHECK(hour[hour.size() - 1]);
    CHECK_FALSE(hour[hour.size() - 2]);
    CHECK_FALSE(hour[hour.size() - 3]);
    CHECK(hour[hour.size() - 4]);
    history.add(at(1'000'000), counts, 0, 0);
    CHECK_FALSE(history.last_hour().front());
}

TEST_CASE("page: a sparkline leaves gaps open and ends at its peak") {
    const std::string svg =
        sparkline("x", "2", "4", {std::nullopt, 0.0, 4.0, std::nullopt, 2.0}).str();
    CHECK(svg.find("class=\"line\" d=\"M90.0 45.0L180.0 3.0M360.0 24.0\"") != std::string::npos);
    CHECK(svg.find("aria-label=\"x: the last hour, at most 4\"") != std::string::npos);
    CHECK(sparkline("x", "", "", {}).str().find("d=\"\"") != std::string::npos);
}

TEST_CASE("page: figures as people read them") {
    CHECK(number_text(0) == "0");
    CHECK(number_text(0.25) == "0.2");
    CHECK(number_text(12) == "12");
    CHECK(number_text(1234567) == "1,234,567");
    CHECK(number_text(123) == "123");
    CHECK(ms_text(0.25) == "250 \xc2\xb5s");
    CHECK(ms_text(1.5) == "1.50 ms");
    CHECK(ms_text(1500) == "1.5 s");
    CHECK(age_text(3.21) == "3.2 s");
    CHECK(age_text(119) == "119 s");
    CHECK(age_text(600) == "10 min");
    CHECK(age_text(90'000) == "25 h");
    CHECK(age_text(900'000) == "10 d");
}

TEST_CASE("page: a long table is cut and says so") {
    constexpr TableColumn kColumns[] = {{"a"}, {"b", true}};
    std::vector<std::vector<Html>> rows;
    for (int i = 0; i < 1500; ++i)
        rows.push_back({Html::text("x"), Html::text("1")});
    const std::string text = table("Things", kColumns, rows, 10).str();
    CHECK(text.find("<caption>Things</caption>") != std::string::npos);
    CHECK(text.find("and 1,490 more") != std::string::npos);
    CHECK(text.find("<td class=\"n\">1</td>") != std::string::npos);
}

}  // namespace
}  // namespace weir::page_test
