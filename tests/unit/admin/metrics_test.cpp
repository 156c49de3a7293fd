// Goal: a scrape tells what was counted, each pool by name up to the limit and all others together.
#include <doctest/doctest.h>

#include "admin/metrics/collector.h"
#include "console_fixture.h"

namespace weir::metrics_test {
namespace {

using console_test::FakeInspector;
using std::chrono::milliseconds;

std::string scrape(FakeInspector& inspector) {
    std::string out;
    collect_metrics(inspector, [&out](std::string text) { out = std::move(text); });
    return out;
}

// What stands behind `series`; the text of the whole when it is not there.
std::string value_of(const std::string& text, const std::string& series) {
    const size_t at = ("\n" + text).find("\n" + series + " ");
    if (at == std::string::npos) return "no " + series + " in\n" + text;
    const size_t begin = at + series.size() + 1;
    return text.substr(begin, text.find('\n', begin) - begin);
}

TEST_CASE("what pools count is told by database and user, summed over workers") {
    FakeInspector inspector;
    Pool& pool = inspector.pool("app", "alice");
    for (PoolCounters& counters : pool.counters()) {
        counters.client_logins.add(1);
        counters.transactions.add(10);
        counters.bytes_sent.add(1000);
        counters.histograms.get().query.record(milliseconds(3));
    }
    pool.counters()[0].histograms.get().query.record(std::chrono::seconds(100));
    PoolCensus& census = inspector.counted[1].pools[&pool.group()];
    census.clients_idle = 4;
    census.pins[static_cast<size_t>(PinReason::Transaction)] = 2;

    const std::string text = scrape(inspector);
    const std::string who = R"(database="app",user="alice")";
    CHECK(value_of(text, "weir_pool_transactions_total{" + who + "}") == "20");
    CHECK(value_of(text, "weir_pool_sent_bytes_total{" + who + "}") == "2000");
    CHECK(value_of(text, "weir_pool_clients{" + who + R"(,state="idle"})") == "4");
    CHECK(value_of(text, "weir_pool_server_pins{" + who + R"(,reason="transaction"})") == "2");
    CHECK(value_of(text, "weir_clients{state=\"idle\"}") == "4");
    const std::string query = "weir_pool_query_duration_seconds";
    CHECK(value_of(text, query + "_count{" + who + "}") == "3");
    CHECK(value_of(text, query + "_sum{" + who + "}") == "100.006");
    CHECK(value_of(text, query + "_bucket{" + who + R"(,le="0.001953125"})") == "0");
    CHECK(value_of(text, query + "_bucket{" + who + R"(,le="0.00390625"})") == "2");
    CHECK(value_of(text, query + "_bucket{" + who + R"(,le="64"})") == "2");
    CHECK(value_of(text, query + "_bucket{" + who + R"(,le="+Inf"})") == "3");
    CHECK(text.find("my-db") == std::string::npos);  // nobody has used it
}

TEST_CASE("pools beyond metrics_pools_max are one, and nothing of them is lost when they go") {
    FakeInspector inspector;
    inspector.mutable_config().global.metrics_pools_max = 1;
    const auto use = [&inspector](const std::string& user) {
        Pool& pool = inspector.pool("app", user);
        pool.counters()[0].client_logins.add(1);
        pool.counters()[0].transactions.add(5);
        pool.counters()[1].histograms.get().hold.record(milliseconds(1));
        return &pool;
    };
    use("first");
    Pool* second = use("user-2");
    use("third");
    const auto others = [](const std::string& text, const std::string& metric) {
        return value_of(text, metric + R"({database="_other",user="_other"})");
    };
    std::string text = scrape(inspector);
    CHECK(value_of(text, R"(weir_pool_transactions_total{database="app",user="first"})") == "5");
    CHECK(others(text, "weir_pool_transactions_total") == "10");
    CHECK(others(text, "weir_pool_server_hold_duration_seconds_count") == "2");
    CHECK(value_of(text, "weir_pools_unlisted") == "2");
    CHECK(text.find("user-2") == std::string::npos);

    second->group().set_idle_limit(std::chrono::seconds(1));
    second->group().note_idle(inspector.time);
    inspector.time = inspector.time + std::chrono::seconds(2);
    REQUIRE(inspector.pools().bury_idle(second->group(), inspector.time));
    text = scrape(inspector);
    CHECK(others(text, "weir_pool_transactions_total") == "10");
    CHECK(others(text, "weir_pool_server_hold_duration_seconds_count") == "2");
    CHECK(value_of(text, "weir_pools_unlisted") == "1");
}

TEST_CASE("a name of its own is free again when its pool is buried") {
    FakeInspector inspector;
    inspector.mutable_config().global.metrics_pools_max = 1;
    Pool& first = inspector.pool("app", "first");
    CHECK(first.group().has_series);
    CHECK_FALSE(inspector.pool("app", "second").group().has_series);
    first.group().set_idle_limit(std::chrono::seconds(1));
    first.group().note_idle(inspector.time);
    REQUIRE(inspector.pools().bury_idle(first.group(), inspector.time + std::chrono::seconds(2)));
    CHECK(inspector.pool("app", "third").group().has_series);
}

TEST_CASE("workers are told one by one, and together what no worker matters for") {
    FakeInspector inspector;
    inspector.worker_counters[0].connections.add(2);
    inspector.worker_counters[1].connections.add(3);
    inspector.worker_counters[1].client_logins.record(milliseconds(20));
    inspector.worker_counters[0].server_errors.note("42P01");
    inspector.worker_counters[1].own_errors.note("08P01");
    inspector.worker_counters[0].server_logins.record(milliseconds(1));
    inspector.worker_counters[0].note_closed(CloseReason::Lifetime);
    inspector.counted[1].lag = milliseconds(7);
    const std::string text = scrape(inspector);
    CHECK(value_of(text, R"(weir_worker_cpu_seconds_total{worker="0"})") == "1.5");
    CHECK(value_of(text, R"(weir_worker_connections_total{worker="1"})") == "3");
    CHECK(value_of(text, R"(weir_worker_loop_lag_seconds{worker="1"})") == "0.007");
    CHECK(value_of(text, "weir_connections_total") == "5");
    CHECK(value_of(text, "weir_client_login_duration_seconds_count") == "1");
    CHECK(value_of(text, R"(weir_errors_total{origin="server",class="42"})") == "1");
    CHECK(value_of(text, R"(weir_errors_total{origin="pooler",class="08"})") == "1");
    CHECK(value_of(text, R"(weir_errors_total{origin="pooler",class="53"})") == "0");
    CHECK(value_of(text, "weir_servers_opened_total") == "1");
    CHECK(value_of(text, R"(weir_servers_closed_total{reason="lifetime"})") == "1");
}

TEST_CASE("the state of backends and of the configuration") {
    FakeInspector inspector;
    BackendRow row;
    row.name = "pg1";
    row.address = "10.0.0.1:5432";
    row.databases = "app";
    row.role = Role::Replica;
    row.state = HealthState::Lagging;
    row.health = 55;
    row.factors.lag = 0.25;
    row.position.lag = milliseconds(1500);
    row.connects.state = BreakerState::Open;
    row.connects.opened = 4;
    row.probes.record(milliseconds(2));
    inspector.backends.backends.push_back(row);
    inspector.age.has_loaded = false;
    inspector.mutable_config().fingerprint = 4'000'000'000;
    const std::string text = scrape(inspector);
    CHECK(value_of(text,
                   "weir_backend_info{backend=\"pg1\",address=\"10.0.0.1:5432\",databases=\"app\","
                   "zone=\"\","
                   "role=\"replica\"}") == "1");
    CHECK(value_of(text, R"(weir_backend_state{backend="pg1",state="lagging"})") == "1");
    CHECK(value_of(text, R"(weir_backend_state{backend="pg1",state="up"})") == "0");
    CHECK(value_of(text, R"(weir_backend_health_ratio{backend="pg1"})") == "0.55");
    CHECK(value_of(text, R"(weir_backend_health_factor_ratio{backend="pg1",factor="lag"})") ==
          "0.25");
    CHECK(value_of(text, R"(weir_backend_replication_lag_seconds{backend="pg1"})") == "1.5");
    CHECK(text.find("weir_backend_replication_lag_bytes") == std::string::npos);
    CHECK(value_of(text, R"(weir_backend_breaker_open{backend="pg1",breaker="connect"})") == "1");
    CHECK(value_of(text, R"(weir_backend_breaker_trips_total{backend="pg1",breaker="connect"})") ==
          "4");
    CHECK(value_of(text, R"(weir_backend_probe_duration_seconds_count{backend="pg1"})") == "1");
    CHECK(value_of(text, "weir_config_hash") == "4000000000");
    CHECK(value_of(text, "weir_config_last_reload_successful") == "0");
    CHECK(value_of(text, "weir_config_last_reload_timestamp_seconds") == "1769860800");
    CHECK(value_of(text, "weir_build_info{version=\"" WEIR_VERSION "\"}") == "1");
}

TEST_CASE("labels are UTF-8, whatever a name is made of") {
    CHECK(as_label("sch\xc3\xb6n") == "sch\xc3\xb6n");
    CHECK(as_label("a\xff"
                   "b") == "a\\xffb");
    CHECK(as_label("\xc3") == "\\xc3");
    CHECK(as_label("\xc0\xaf") == "\\xc0\\xaf");           // overlong
    CHECK(as_label("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // a surrogate
    CHECK(as_label("\xf0\x9f\x98\x80") == "\xf0\x9f\x98\x80");
    CHECK(as_label("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
}

}  // namespace
}  // namespace weir::metrics_test
