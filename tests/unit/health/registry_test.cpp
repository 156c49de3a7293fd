// Goal: evidence of probes and traffic becomes what workers read; roles follow a failover and a
// RELOAD; operators are obeyed. Method: a registry with hand-made probes and instants, no socket.
#include "health/registry.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace weir::registry_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kSystem = 42;

struct Fixture {
    EndpointTable table{2};
    HealthRegistry registry{table, 1};
    HealthPlan plan;
    Instant now{1'000'000'000};
    HealthChanges changes;  // of the last apply

    explicit Fixture(const std::vector<std::string>& hosts, bool with_login = true) {
        ClusterSpec cluster;
        cluster.name = "db";
        if (with_login) cluster.login = ProbeLogin();
        for (const std::string& host : hosts) {
            BackendSpec backend;
            backend.name = host;
            backend.host = host;
            cluster.backends.push_back(backend);
        }
        plan.clusters.push_back(cluster);
    }
    void wish(size_t index, RoleWish role) { plan.clusters[0].backends[index].role = role; }
    void start() {
        registry.configure(plan, now);
        apply();
    }
    Endpoint& endpoint(const std::string& host) { return table.obtain(host, 5432); }
    Role role(const std::string& host) { return endpoint(host).verdict().role; }
    HealthState state(const std::string& host) { return endpoint(host).verdict().state; }
    void apply() { changes = registry.apply(now); }
    void wait(Duration time) {
        now = now + time;
        apply();
    }
    bool has_notice(const std::string& text) const {
        return std::any_of(changes.events.begin(), changes.events.end(),
                           [&text](const HealthEvent& event) {
                               return event.reason.find(text) != std::string::npos;
                           });
    }

    ProbeReport good(bool is_in_recovery, uint32_t timeline, uint64_t lsn) const {
        ProbeReport report;
        report.has_role = true;
        report.result.outcome = Outcome::Success;
        report.result.sent_at = now;
        report.result.round_trip = milliseconds(1);
        report.result.is_in_recovery = is_in_recovery;
        report.result.timeline = timeline;
        report.result.lsn = lsn;
        report.result.system_identifier = kSystem;
        if (is_in_recovery) report.result.replay_delay = seconds(0);
        return report;
    }
    void primary(const std::string& host, uint32_t timeline = 1, uint64_t lsn = 100) {
        registry.on_probe(endpoint(host), good(false, timeline, lsn), now);
    }
    void replica(const std::string& host, uint32_t timeline = 1, uint64_t lsn = 100) {
        ProbeReport report = good(true, timeline, lsn);
        report.result.primary_lsn = registry.primary_lsn(endpoint(host));
        registry.on_probe(endpoint(host), report, now);
    }
    void failed(const std::string& host, Outcome outcome = Outcome::ConnectRefused) {
        ProbeReport report;
        report.result.outcome = outcome;
        report.result.sent_at = now;
        registry.on_probe(endpoint(host), report, now);
    }
    void refused(const std::string& host) {
        ProbeReport report;
        report.result.outcome = Outcome::Success;
        report.result.sent_at = now;
        report.detail = "FATAL: password";
        registry.on_probe(endpoint(host), report, now);
    }
};

}  // namespace

TEST_CASE("probes make roles, and routes change once") {
    Fixture f({"a", "b"});
    f.start();
    CHECK(f.role("a") == Role::Unknown);
    CHECK(f.endpoint("a").verdict().is_probed);
    CHECK(f.registry.probe_targets().size() == 2);
    f.primary("a");
    f.replica("b");
    f.apply();
    CHECK(f.role("a") == Role::Primary);
    CHECK(f.role("b") == Role::Replica);
    CHECK(f.changes.routes_changed);
    CHECK(f.changes.events.size() == 2);
    f.wait(milliseconds(100));
    CHECK_FALSE(f.changes.routes_changed);
    CHECK(f.changes.events.empty());
}

TEST_CASE("a single backend is not watched, and one that leaves is no longer") {
    Fixture f({"a"});
    f.start();
    CHECK(f.registry.is_empty());
    CHECK_FALSE(f.endpoint("a").verdict().is_watched);

    Fixture g({"a", "b", "c"});
    g.start();
    REQUIRE(g.registry.give(HealthRegistry::Order::Down, "c", g.now));
    g.apply();
    g.plan.clusters[0].backends.pop_back();
    g.start();
    CHECK(g.changes.routes_changed);
    CHECK(g.endpoint("c").verdict() == EndpointVerdict());
    CHECK(g.endpoint("a").verdict().is_watched);
}

TEST_CASE("a lost probe connection revokes the primary until the next probe") {
    Fixture f({"a", "b"});
    f.start();
    f.primary("a");
    f.replica("b");
    f.apply();
    f.now = f.now + milliseconds(10);
    f.registry.on_evidence_lost(f.endpoint("a"), f.now);
    f.apply();
    CHECK(f.role("a") == Role::Unknown);
    CHECK(f.role("b") == Role::Replica);
    CHECK(f.registry.take_hurry(f.endpoint("a")));
    CHECK_FALSE(f.registry.take_hurry(f.endpoint("a")));
    f.now = f.now + milliseconds(10);
    f.primary("a");
    f.apply();
    CHECK(f.role("a") == Role::Primary);
}

TEST_CASE("a 25006 and a standby's in_hot_standby revoke the primary") {
    Fixture f({"a", "b"});
    f.start();
    f.primary("a");
    f.apply();
    f.now = f.now + milliseconds(10);
    f.endpoint("a").report_failure(Outcome::NotPrimary, f.now);
    f.apply();
    CHECK(f.role("a") == Role::Unknown);
    f.now = f.now + milliseconds(10);
    f.primary("a");
    f.apply();
    CHECK(f.role("a") == Role::Primary);
    f.now = f.now + milliseconds(10);
    f.endpoint("a").note_hot_standby(true, f.now);
    f.apply();
    CHECK(f.role("a") == Role::Unknown);
    CHECK(f.registry.take_hurry(f.endpoint("a")));
}

TEST_CASE("a failover: the new timeline wins, the old primary is fenced and it is said once") {
    Fixture f({"a", "b"});
    f.start();
    f.primary("a");
    f.replica("b");
    f.apply();
    f.now = f.now + seconds(1);
    f.primary("b", 2, 200);
    f.apply();
    CHECK(f.role("b") == Role::Primary);
    CHECK(f.role("a") == Role::Unknown);
    CHECK_FALSE(f.has_notice("old timeline"));  // nobody has asked it since
    for (const bool is_news : {true, false}) {
        f.now = f.now + seconds(1);
        f.primary("a", 1, 300);
        f.primary("b", 2, 201);
        f.apply();
        CHECK(f.role("b") == Role::Primary);
        CHECK(f.has_notice("old timeline") == is_news);
    }
}

TEST_CASE("the fence outlasts a RELOAD, even without the one that raised it") {
    Fixture f({"a", "b", "c"});
    f.start();
    f.primary("c", 5, 500);
    f.replica("b", 4);
    f.apply();
    f.plan.clusters[0].backends.pop_back();
    f.start();
    CHECK(f.role("b") == Role::Replica);
    CHECK(f.role("a") == Role::Unknown);
    CHECK(f.registry.primary_lsn(f.endpoint("a")) == 500);
    f.now = f.now + seconds(1);
    f.primary("a", 4, 600);
    f.apply();
    CHECK(f.role("a") == Role::Unknown);
}

TEST_CASE("a RELOAD keeps role, state and what was revoked") {
    Fixture f({"a", "b"});
    f.start();
    f.primary("a");
    f.replica("b");
    f.apply();
    REQUIRE(f.registry.give(HealthRegistry::Order::Drain, "b", f.now));
    REQUIRE(f.registry.reweight("b", 3));
    f.apply();
    f.start();
    CHECK(f.role("a") == Role::Primary);
    CHECK(f.role("b") == Role::Replica);
    CHECK(f.state("b") == HealthState::Draining);
    CHECK(f.endpoint("b").base_weight(1) == 3);
    CHECK_FALSE(f.changes.routes_changed);
    f.now = f.now + milliseconds(1);
    f.registry.on_evidence_lost(f.endpoint("a"), f.now);
    f.start();
    CHECK(f.role("a") == Role::Unknown);
}

TEST_CASE("a server that does not tell its identifier or timeline is not foreign") {
    Fixture f({"a", "b"});
    f.start();
    f.primary("a");
    ProbeReport report = f.good(true, 0, 100);
    report.result.system_identifier = 0;
    f.registry.on_probe(f.endpoint("b"), report, f.now);
    f.apply();
    CHECK(f.role("b") == Role::Replica);
    CHECK_FALSE(f.has_notice("system identifier"));
}

TEST_CASE("configured roles hold without probes, evidence overrides them with a warning") {
    Fixture f({"a", "b"}, false);
    f.wish(0, RoleWish::Primary);
    f.wish(1, RoleWish::Replica);
    f.start();
    CHECK(f.registry.probe_targets().empty());
    CHECK_FALSE(f.endpoint("a").verdict().is_probed);
    CHECK(f.role("a") == Role::Primary);
    CHECK(f.role("b") == Role::Replica);
    f.endpoint("a").note_hot_standby(true, f.now);
    f.endpoint("b").note_hot_standby(false, f.now);
    f.apply();
    CHECK(f.role("a") == Role::Replica);
    CHECK(f.role("b") == Role::Primary);
    CHECK(f.has_notice("is configured as primary"));
    CHECK(f.has_notice("is configured as replica"));
    f.wait(seconds(1));
    CHECK(f.changes.events.empty());
}

TEST_CASE("without probes a 25006 takes the role away for a while") {
    Fixture f({"a", "b"}, false);
    f.wish(0, RoleWish::Primary);
    f.start();
    f.endpoint("a").report_failure(Outcome::NotPrimary, f.now);
    f.apply();
    CHECK(f.role("a") == Role::Replica);
    f.wait(seconds(5));
    CHECK(f.role("a") == Role::Primary);
}

TEST_CASE("a log-in that nobody takes is no probe: said once, and the endpoints are alive") {
    Fixture f({"a", "b"});
    f.wish(0, RoleWish::Primary);
    f.start();
    f.refused("a");
    f.refused("b");
    f.apply();
    CHECK(f.has_notice("cannot log in"));
    CHECK_FALSE(f.endpoint("a").verdict().is_probed);
    CHECK(f.role("a") == Role::Primary);
    CHECK(f.state("a") == HealthState::Up);
    f.now = f.now + seconds(10);
    f.refused("a");
    f.apply();
    CHECK_FALSE(f.has_notice("cannot log in"));
    CHECK(f.registry.next_probe_pause(f.endpoint("a"), true, f.now) >= seconds(10));
    // One that is let in again shows who is the primary.
    f.replica("a");
    f.apply();
    CHECK(f.endpoint("a").verdict().is_probed);
    CHECK(f.role("a") == Role::Replica);
}

TEST_CASE("a replica of a quiet primary is not lagging at the start") {
    Fixture f({"a", "b"});
    f.start();
    ProbeReport report = f.good(true, 1, 100);
    report.result.replay_delay = std::chrono::hours(1);
    report.has_caught_up = true;
    f.registry.on_probe(f.endpoint("b"), report, f.now);
    f.apply();
    CHECK(f.state("b") == HealthState::Up);
    // Later the primary's LSN decides, not the replica's opinion.
    f.primary("a", 1, 200);
    report.result.primary_lsn = 200;
    report.result.sent_at = f.now;
    f.registry.on_probe(f.endpoint("b"), report, f.now);
    f.apply();
    CHECK(f.state("b") == HealthState::Lagging);
    CHECK(f.endpoint("b").position().lag == std::chrono::hours(1));
    CHECK(f.endpoint("b").position().lag_bytes == 100);
}

TEST_CASE("traffic's failures eject one replica, never the last; a trial brings it back") {
    Fixture f({"a", "b", "c"});
    f.start();
    f.primary("a");
    f.replica("b");
    f.replica("c");
    f.apply();
    for (int i = 0; i < 5; ++i) {
        f.endpoint("b").report_failure(Outcome::ConnectRefused, f.now);
        f.endpoint("c").report_failure(Outcome::ConnectRefused, f.now);
    }
    f.apply();
    CHECK(f.state("b") == HealthState::Ejected);
    CHECK(takes_work(f.endpoint("c").verdict()));
    CHECK(f.endpoint("b").verdict().weight == 0);
    CHECK(f.registry.take_hurry(f.endpoint("b")));
    f.wait(seconds(7));
    REQUIRE(f.state("b") == HealthState::HalfOpen);
    for (int i = 0; i < 3; ++i) {
        const auto ticket = f.endpoint("b").try_take_trial(f.now);
        REQUIRE(ticket);
        CHECK_FALSE(f.endpoint("b").try_take_trial(f.now));
        f.endpoint("b").report_trial(*ticket, Outcome::Success, f.now);
        f.wait(milliseconds(100));
    }
    CHECK(f.state("b") == HealthState::Up);
}

TEST_CASE("when most of a role is ejected, panic is published and keeps the weights") {
    Fixture f({"a", "b"});
    f.plan.options.max_ejection_percent = 100;
    f.plan.options.panic_threshold_percent = 60;
    f.start();
    f.replica("a");
    f.replica("b");
    for (int i = 0; i < 5; ++i)
        f.endpoint("b").report_failure(Outcome::ConnectRefused, f.now);
    f.apply();
    CHECK(f.state("b") == HealthState::Ejected);
    CHECK(f.endpoint("b").verdict().is_panic);
    CHECK(takes_work(f.endpoint("b").verdict()));
    CHECK(f.endpoint("b").verdict().weight > 0);
}

TEST_CASE("successes and latencies of workers reach the score") {
    Fixture f({"a", "b"});
    f.start();
    f.replica("a");
    f.replica("b");
    for (int i = 0; i < 1000; ++i) {
        f.endpoint("a").report_latency(0, milliseconds(1));
        f.endpoint("b").report_latency(1, milliseconds(8));
        f.endpoint("b").report_success(1);
    }
    f.wait(milliseconds(100));
    CHECK(f.endpoint("a").verdict().weight > 0.9F);
    CHECK(f.endpoint("b").verdict().weight < 0.4F);
}

TEST_CASE("what all of a role are too busy for is no slowness of one") {
    Fixture f({"a", "b"});
    f.start();
    f.replica("a");
    f.replica("b");
    const auto work = [&f](Duration of_b) {
        for (int i = 0; i < 300; ++i) {
            f.endpoint("a").report_latency(0, milliseconds(10));
            f.endpoint("b").report_latency(1, of_b);
            f.wait(milliseconds(100));
        }
        return f.endpoint("b").verdict().weight;
    };
    f.endpoint("a").add_waiting(5);
    f.endpoint("b").add_waiting(7);
    CHECK(work(milliseconds(25)) == 1);
    CHECK(work(milliseconds(200)) < 0.3);  // but what is so slow is slow
    // The other one could do more: then b is slow.
    f.endpoint("a").add_waiting(-5);
    CHECK(work(milliseconds(25)) == doctest::Approx(0.5).epsilon(0.1));
}

TEST_CASE("a missing primary makes everybody be asked soon, a failed probe too") {
    Fixture f({"a", "b"});
    f.start();
    f.replica("b");
    f.apply();
    CHECK(f.registry.next_probe_pause(f.endpoint("b"), true, f.now) <= milliseconds(600));
    f.primary("a");
    f.apply();
    CHECK(f.registry.next_probe_pause(f.endpoint("b"), true, f.now) >= milliseconds(800));
    CHECK(f.registry.next_probe_pause(f.endpoint("b"), false, f.now) <= milliseconds(600));
    f.now = f.now + seconds(10);  // and not for ever
    f.apply();
    f.now = f.now + seconds(61);
    f.apply();
    CHECK(f.registry.next_probe_pause(f.endpoint("b"), true, f.now) >= milliseconds(800));
}

TEST_CASE("operators are obeyed by name or address, and told when there is no such backend") {
    Fixture f({"a", "b"});
    f.start();
    using Order = HealthRegistry::Order;
    CHECK(f.registry.give(Order::Drain, "a", f.now));
    CHECK(f.registry.give(Order::Down, "b:5432", f.now));
    f.apply();
    CHECK(f.state("a") == HealthState::Draining);
    CHECK(f.state("b") == HealthState::Down);
    CHECK(f.changes.routes_changed);
    CHECK(f.registry.give(Order::Enable, "a", f.now));
    f.apply();
    CHECK(f.state("a") == HealthState::Up);
    CHECK(f.registry.give(Order::Drain, "x", f.now).error().sqlstate == "42704");
    CHECK(f.registry.reweight("x", 1).error().sqlstate == "42704");
    CHECK(f.registry.reweight("a", -1).error().sqlstate == "22023");
    f.primary("a", 9);
    f.apply();
    CHECK(f.role("a") == Role::Primary);
    CHECK(f.registry.give(Order::ResetRoles, "a", f.now));
    f.now = f.now + milliseconds(1);
    f.primary("b", 1);
    f.apply();
    CHECK(f.role("b") == Role::Primary);
}

TEST_CASE("the console's rows tell what is known, and what has happened") {
    Fixture f({"a", "b"});
    f.start();
    f.primary("a", 3, 1000);
    f.replica("b", 3, 900);
    f.now = f.now + milliseconds(1900);
    f.failed("b");
    f.apply();
    f.endpoint("b").add_in_use(2);
    const HealthSnapshot snapshot = f.registry.snapshot(f.now);
    REQUIRE(snapshot.backends.size() == 2);
    const BackendRow& row = snapshot.backends[1];
    CHECK(row.name == "b");
    CHECK(row.address == "b:5432");
    CHECK(row.databases == "db");
    CHECK(row.role == Role::Replica);
    CHECK(row.timeline == 3);
    CHECK(row.position.lsn == 900);
    CHECK(row.position.lag_bytes == 100);
    CHECK(row.in_use == 2);
    CHECK(row.why == "health score is low");
    CHECK(row.health < 50);
    CHECK(snapshot.events.size() == 3);
    CHECK(snapshot.events.size() <= HealthRegistry::kEventsMax);
}

// ---- breakers

namespace {

// A primary and two replicas, known as that.
struct Trio : Fixture {
    Trio() : Fixture({"a", "b", "c"}) {
        start();
        look();
    }
    void look() {
        primary("a");
        replica("b");
        replica("c");
        apply();
    }
    void fail(const std::string& host, Outcome outcome, int count = 5) {
        for (int i = 0; i < count; ++i)
            endpoint(host).report_failure(outcome, now);
        apply();
    }
    // Five failures to connect between which statements succeed: no reason to eject.
    void fail_connects(const std::string& host) {
        for (int i = 0; i < 100; ++i)
            endpoint(host).report_success(0);
        for (int i = 0; i < 5; ++i) {
            endpoint(host).report_failure(Outcome::ConnectTimeout, now);
            apply();
            endpoint(host).report_success(0);
            apply();
        }
    }
    void order(HealthRegistry::Order order, const std::string& host) {
        REQUIRE(registry.give(order, host, now));
        apply();
    }
    EndpointVerdict verdict(const std::string& host) { return endpoint(host).verdict(); }
    BackendRow row(size_t index) { return registry.snapshot(now).backends.at(index); }
};

}  // namespace

TEST_CASE("failures to connect open the breaker of connects, and queries go on") {
    Trio f;
    f.fail_connects("b");
    CHECK(takes_work(f.verdict("b")));
    CHECK(f.verdict("b").is_connect_open);
    const BackendRow row = f.row(1);
    CHECK(row.connects.state == BreakerState::Open);
    CHECK(row.connects.is_in_force);
    CHECK(row.connects.why == "too many failures: connect timeout");
    CHECK(row.connects.opened == 1);
    CHECK(row.queries.state == BreakerState::Closed);

    f.now = row.connects.open_until;
    f.look();
    CHECK_FALSE(f.verdict("b").is_connect_open);
    CHECK(f.changes.routes_changed);
    CHECK(f.row(1).connects.state == BreakerState::HalfOpen);
    for (int i = 0; i < 3; ++i)
        f.endpoint("b").report_login(1);
    f.apply();
    CHECK(f.row(1).connects.state == BreakerState::Closed);
}

TEST_CASE("failures of queries say nothing about connects, a log-in ends the row of failures") {
    Trio f;
    for (int i = 0; i < 3; ++i) {
        f.endpoint("b").report_login(0);
        f.apply();
        f.fail("b", Outcome::ConnectRefused, 4);
    }
    CHECK(f.row(1).connects.state == BreakerState::Closed);
    f.fail("c", Outcome::ConnectionLost, 4);
    CHECK(f.row(2).connects.state == BreakerState::Closed);
}

TEST_CASE("the last of a role that can be connected to is connected to") {
    Trio f;
    f.fail_connects("b");
    CHECK(f.verdict("b").is_connect_open);
    f.fail_connects("c");
    CHECK_FALSE(f.verdict("b").is_connect_open);
    CHECK_FALSE(f.verdict("c").is_connect_open);
    CHECK_FALSE(f.row(1).connects.is_in_force);
    f.fail_connects("a");  // the only primary
    CHECK(f.row(0).connects.state == BreakerState::Open);
    CHECK_FALSE(f.verdict("a").is_connect_open);
}

TEST_CASE("an ejected backend has open breakers, and is connected to for its trials") {
    Trio f;
    f.fail("b", Outcome::ServerStarting, 1);
    CHECK(f.state("b") == HealthState::Ejected);
    CHECK_FALSE(f.verdict("b").is_connect_open);
    for (const BreakerRow& row : {f.row(1).queries, f.row(1).connects}) {
        CHECK(row.state == BreakerState::Open);
        CHECK(row.is_in_force);
        CHECK(row.why == "server starting up");
        CHECK(row.open_until > f.now);
    }
    f.now = f.row(1).queries.open_until;
    f.look();
    CHECK(f.row(1).queries.state == BreakerState::HalfOpen);
    CHECK(f.row(1).connects.state == BreakerState::HalfOpen);
    CHECK_FALSE(f.verdict("b").is_connect_open);
    CHECK(f.endpoint("b").try_take_trial(f.now));
}

TEST_CASE("an operator opens, closes and resets the breakers of a backend") {
    using Order = HealthRegistry::Order;
    Trio f;
    SUBCASE("open, also the last of a role, and nothing else changes that") {
        f.order(Order::BreakerOpen, "a");
        CHECK(f.changes.routes_changed);
        REQUIRE(f.changes.events.size() == 1);
        CHECK(f.changes.events[0].kind == HealthEvent::Kind::Breaker);
        CHECK(f.changes.events[0].to == "OPEN");
        CHECK_FALSE(takes_work(f.verdict("a")));
        CHECK(f.verdict("a").is_connect_open);
        CHECK(f.role("a") == Role::Primary);
        CHECK(f.row(0).queries.is_forced);
        f.registry.configure(f.plan, f.now);  // a RELOAD
        f.apply();
        CHECK(f.verdict("a").is_open);
        f.order(Order::BreakerOpen, "a");
        CHECK(f.changes.events.empty());
        f.order(Order::BreakerReset, "a");
        CHECK(takes_work(f.verdict("a")));
        CHECK_FALSE(f.verdict("a").is_connect_open);
    }
    SUBCASE("one that is open is no help to the others of its role") {
        f.order(Order::BreakerOpen, "b");
        f.fail("c", Outcome::ServerStarting, 1);
        CHECK(f.state("c") != HealthState::Ejected);
        f.fail_connects("c");
        CHECK_FALSE(f.verdict("c").is_connect_open);
    }
    SUBCASE("no trial of one that is open") {
        f.fail("b", Outcome::ServerStarting, 1);
        f.now = f.row(1).queries.open_until;
        f.look();
        f.order(Order::BreakerOpen, "b");
        CHECK(f.state("b") == HealthState::HalfOpen);
        CHECK_FALSE(f.endpoint("b").try_take_trial(f.now));
    }
    SUBCASE("closed: failures do not count") {
        f.order(Order::BreakerClose, "b");
        f.fail("b", Outcome::ServerStarting, 1);
        CHECK(f.state("b") == HealthState::Ejected);
        CHECK(takes_work(f.verdict("b")));
        CHECK(f.verdict("b").weight > 0);
        CHECK(f.row(1).queries.state == BreakerState::Closed);
    }
    SUBCASE("reset: what is out gets its trials at once") {
        f.fail("b", Outcome::ServerStarting, 1);
        f.order(Order::BreakerReset, "b");
        CHECK(f.state("b") == HealthState::HalfOpen);
        f.fail_connects("c");
        f.order(Order::BreakerReset, "c");
        CHECK(f.row(2).connects.state == BreakerState::Closed);
    }
}

TEST_CASE("in a dry run breakers judge, and traffic goes on") {
    Trio f;
    f.plan.options.breaker_dry_run = true;
    f.registry.configure(f.plan, f.now);
    f.fail("b", Outcome::ServerStarting, 1);
    f.fail_connects("c");
    CHECK(f.state("b") == HealthState::Ejected);
    CHECK(takes_work(f.verdict("b")));
    CHECK(f.row(1).queries.state == BreakerState::Open);
    CHECK_FALSE(f.row(1).queries.is_in_force);
    CHECK(f.row(2).connects.state == BreakerState::Open);
    CHECK_FALSE(f.verdict("c").is_connect_open);
    f.order(HealthRegistry::Order::BreakerOpen, "c");
    CHECK_FALSE(takes_work(f.verdict("c")));
}

TEST_CASE("alerts are told when they begin, and stand in the rows while they hold") {
    Trio f;
    CHECK(f.row(0).alerts.empty());
    f.primary("b");
    f.apply();
    CHECK(f.has_notice("several servers claim to be the primary"));
    CHECK(f.row(2).alerts == "several servers claim to be the primary: writes go to none");
    f.now = f.now + milliseconds(1);
    f.replica("b");
    f.apply();
    CHECK(f.row(0).alerts.empty());

    f.order(HealthRegistry::Order::Down, "c");
    for (int i = 0; i < 3; ++i)
        f.failed("b");
    f.apply();
    CHECK(f.state("b") != HealthState::Ejected);  // the last one
    f.order(HealthRegistry::Order::Enable, "c");
    f.apply();
    f.wait(milliseconds(1));
    CHECK(f.state("b") == HealthState::Ejected);
    f.order(HealthRegistry::Order::Down, "c");
    CHECK(f.has_notice("failures are ignored (panic)"));
    CHECK(f.row(1).alerts.find("panic") != std::string::npos);
}

}  // namespace weir::registry_test
