// Goal: whoever promotes, demotes and rebuilds servers (repmgr, pg_auto_failover, an
// administrator), writes go to the right server or to none. Method: what probes and connections
// tell of each step, as a story for one registry; no socket, no clock.
#include <doctest/doctest.h>

#include <algorithm>

#include "health/registry.h"

namespace weir::failover_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kOurs = 42;

// Three servers; a is the primary, b and c follow, all on timeline 1.
struct Story {
    EndpointTable table{1};
    HealthRegistry registry{table, 1};
    HealthPlan plan;
    Instant now{1'000'000'000};
    std::vector<HealthEvent> events;

    Story() {
        ClusterSpec cluster;
        cluster.name = "db";
        cluster.login = ProbeLogin();
        for (const char* host : {"a", "b", "c"}) {
            BackendSpec backend;
            backend.name = backend.host = host;
            cluster.backends.push_back(backend);
        }
        plan.clusters.push_back(cluster);
        registry.configure(plan, now);
        claim("a", 1);
        follow("b", 1);
        follow("c", 1);
        pass(milliseconds(1));
        CHECK(primary() == "a");
        CHECK(replicas() == "bc");
        (void)hurried();
    }
    Endpoint& endpoint(const std::string& host) { return table.obtain(host, 5432); }
    void pass(Duration time) {
        now = now + time;
        events.clear();
        for (HealthEvent& event : registry.apply(now).events)
            events.push_back(std::move(event));
    }
    // One probe of each kind; timeline and identifier 0 = it was not told.
    void tell(const std::string& host, bool is_in_recovery, uint32_t timeline,
              uint64_t identifier) {
        ProbeReport report;
        report.has_role = true;
        report.result.outcome = Outcome::Success;
        report.result.sent_at = now;
        report.result.is_in_recovery = is_in_recovery;
        report.result.timeline = timeline;
        report.result.system_identifier = identifier;
        report.result.lsn = 100;
        registry.on_probe(endpoint(host), report, now);
    }
    void claim(const std::string& host, uint32_t timeline, uint64_t identifier = kOurs) {
        tell(host, false, timeline, identifier);
    }
    void follow(const std::string& host, uint32_t timeline, uint64_t identifier = kOurs) {
        tell(host, true, timeline, identifier);
    }
    void fail_probe(const std::string& host) {
        ProbeReport report;
        report.result.outcome = Outcome::ConnectRefused;
        report.result.sent_at = now;
        registry.on_probe(endpoint(host), report, now);
    }
    void lose(const std::string& host) {
        registry.on_evidence_lost(endpoint(host), now);
        pass(milliseconds(1));
    }
    std::string with_role(Role role) {
        std::string hosts;
        for (const char* host : {"a", "b", "c"})
            if (endpoint(host).verdict().role == role) hosts += host;
        return hosts;
    }
    std::string primary() { return with_role(Role::Primary); }
    std::string replicas() { return with_role(Role::Replica); }
    std::string hurried() {
        std::string hosts;
        for (const char* host : {"a", "b", "c"})
            if (registry.take_hurry(endpoint(host))) hosts += host;
        return hosts;
    }
    bool is_told(const std::string& text) const {
        return std::any_of(events.begin(), events.end(), [&text](const HealthEvent& event) {
            return event.is_alert && event.reason.find(text) != std::string::npos;
        });
    }
};

}  // namespace

TEST_CASE("failover: the primary dies, all are asked at once, the promoted one is written to") {
    Story s;
    s.lose("a");
    CHECK(s.primary().empty());
    CHECK(s.replicas() == "bc");
    CHECK(s.hurried() == "abc");
    s.fail_probe("a");
    s.follow("b", 1);
    s.pass(milliseconds(100));
    CHECK(s.primary().empty());
    CHECK(s.hurried().empty());  // once; from now on at the fast interval
    s.claim("b", 2);
    s.follow("c", 1);  // does not follow b yet
    s.pass(milliseconds(100));
    CHECK(s.primary() == "b");
    CHECK(s.replicas() == "c");
}

TEST_CASE(
    "failover: the old primary comes back as a standby, on the old timeline and then the new") {
    Story s;
    s.lose("a");
    s.claim("b", 2);
    s.pass(seconds(1));
    s.claim("b", 2);
    s.follow("a", 1);  // rewound or copied, and still reading what there was before the promotion
    s.pass(milliseconds(1));
    CHECK(s.primary() == "b");
    CHECK(s.replicas() == "ac");
    s.claim("b", 2);
    s.follow("a", 2);
    s.pass(milliseconds(1));
    CHECK(s.primary() == "b");
    CHECK(s.replicas() == "ac");
    CHECK_FALSE(s.is_told("old timeline"));
}

TEST_CASE("failover: the old primary comes back as a primary, also alone and after a RELOAD") {
    Story s;
    s.lose("a");
    s.claim("b", 2);
    s.pass(seconds(1));
    s.claim("a", 1);
    s.claim("b", 2);
    s.pass(milliseconds(1));
    CHECK(s.primary() == "b");
    CHECK(s.is_told("on an old timeline"));
    CHECK(s.replicas() == "c");
    s.lose("b");
    s.claim("a", 1);
    s.pass(milliseconds(1));
    CHECK(s.primary().empty());
    s.registry.configure(s.plan, s.now);
    s.claim("a", 1);
    s.pass(milliseconds(1));
    CHECK(s.primary().empty());
    // It stays out although one query of its probe fails and it tells no more than its role.
    s.claim("a", 0, 0);
    s.pass(milliseconds(1));
    CHECK(s.primary().empty());
    s.claim("b", 2);
    s.claim("a", 0, 0);
    s.pass(milliseconds(1));
    CHECK(s.primary() == "b");
    CHECK_FALSE(s.is_told("several servers"));
}

TEST_CASE("failover: a promoted server that does not tell its timeline is on the highest") {
    Story s;
    s.lose("a");
    SUBCASE("known already from one that follows it") {
        s.follow("c", 2);
    }
    SUBCASE("known only later") {}
    s.claim("b", 0, 0);
    s.pass(milliseconds(1));
    CHECK(s.primary() == "b");
    s.follow("c", 2);
    s.claim("b", 0);
    s.pass(milliseconds(1));
    CHECK(s.primary() == "b");
    s.claim("b", 2);
    s.claim("a", 1);
    s.pass(milliseconds(1));
    CHECK(s.primary() == "b");
}

TEST_CASE(
    "failover: a replica that is promoted, demoted and promoted again is believed each time") {
    Story s;
    s.claim("b", 2);
    s.pass(milliseconds(1));
    CHECK(s.primary() == "b");
    s.lose("b");
    s.claim("a", 3);  // promoted from a standby behind b
    s.pass(milliseconds(1));
    CHECK(s.primary() == "a");
    s.follow("b", 3);
    s.pass(milliseconds(1));
    s.lose("a");
    s.claim("b", 0, 0);
    s.pass(milliseconds(1));
    CHECK(s.primary() == "b");
}

TEST_CASE("failover: two that are promoted apart get nothing, until one of them is ahead") {
    Story s;
    s.lose("a");
    s.claim("b", 2);
    s.claim("c", 2);
    s.pass(milliseconds(1));
    CHECK(s.primary().empty());
    CHECK(s.is_told("several servers claim to be the primary: writes go to none"));
    SUBCASE("one is demoted") {
        s.follow("c", 2);
        s.claim("b", 2);
        s.pass(milliseconds(1));
        CHECK(s.primary() == "b");
    }
    SUBCASE("one is promoted once more") {
        s.claim("c", 3);
        s.claim("b", 2);
        s.pass(milliseconds(1));
        CHECK(s.primary() == "c");
    }
}

TEST_CASE("failover: a cascading standby is promoted") {
    Story s;
    SUBCASE("c, behind b, while the primary lives on: the timeline decides, and it is said") {
        s.pass(seconds(1));
        s.claim("c", 2);
        s.claim("a", 1);
        s.follow("b", 1);
        s.pass(milliseconds(1));
        CHECK(s.primary() == "c");
        CHECK(s.replicas() == "b");
        CHECK(s.is_told("on an old timeline"));
        // A mistake: it is taken away, and the operator has the roles looked at anew.
        s.lose("c");
        s.claim("a", 1);
        s.pass(milliseconds(1));
        CHECK(s.primary().empty());
        REQUIRE(s.registry.give(HealthRegistry::Order::ResetRoles, "a", s.now));
        s.claim("a", 1);
        s.pass(milliseconds(1));
        CHECK(s.primary() == "a");
    }
    SUBCASE("b, with c behind it all the time") {
        s.lose("a");
        s.follow("c", 2);
        s.follow("b", 1);  // was asked a moment before
        s.pass(milliseconds(1));
        CHECK(s.primary().empty());
        s.claim("b", 2);
        s.pass(milliseconds(1));
        CHECK(s.primary() == "b");
        CHECK(s.replicas() == "c");
    }
}

TEST_CASE("failover: a server that was made anew, or another cluster's backup, is nobody") {
    Story s;
    s.lose("a");
    s.claim("b", 2);
    s.pass(seconds(1));
    s.claim("b", 2);
    SUBCASE("as a primary on a high timeline") {
        s.claim("a", 7, 43);
    }
    SUBCASE("as a standby") {
        s.follow("a", 7, 43);
    }
    s.pass(milliseconds(1));
    CHECK(s.primary() == "b");
    CHECK(s.replicas() == "c");
    CHECK(s.is_told("another system identifier"));
    // Silence does not make it one of ours.
    s.lose("b");
    s.claim("a", 0, 0);
    s.pass(milliseconds(1));
    CHECK(s.primary().empty());
    // Made a standby of ours it is one.
    s.claim("b", 2);
    s.follow("a", 2);
    s.pass(milliseconds(1));
    CHECK(s.primary() == "b");
    CHECK(s.replicas() == "ac");
}

TEST_CASE("failover: at the start the stranger may be the first to answer") {
    Story s;
    HealthRegistry registry(s.table, 2);
    registry.configure(s.plan, s.now);
    const auto tell = [&](const char* host, bool is_in_recovery, uint64_t identifier) {
        ProbeReport report;
        report.has_role = true;
        report.result.outcome = Outcome::Success;
        report.result.sent_at = s.now;
        report.result.timeline = 1;
        report.result.is_in_recovery = is_in_recovery;
        report.result.system_identifier = identifier;
        registry.on_probe(s.endpoint(host), report, s.now);
    };
    tell("c", false, 7);
    tell("a", false, kOurs);
    HealthChanges changes = registry.apply(s.now);
    CHECK(s.primary().empty());
    CHECK(changes.events.back().reason.find("different system identifiers") != std::string::npos);
    CHECK(registry.snapshot(s.now).backends[0].alerts.find("remove those") != std::string::npos);
    tell("b", true, kOurs);
    (void)registry.apply(s.now);
    CHECK(s.primary() == "a");
    CHECK(s.replicas() == "b");
}

TEST_CASE(
    "failover: nothing can be reached for a while; then it is as it was, or another is ahead") {
    Story s;
    for (int i = 0; i < 90; ++i) {
        for (const char* host : {"a", "b", "c"})
            s.fail_probe(host);
        s.pass(seconds(1));
    }
    CHECK(s.primary().empty());
    CHECK(s.replicas() == "bc");  // whether they are well is not for roles to say
    SUBCASE("as it was") {
        s.claim("a", 1);
        s.pass(milliseconds(1));
        CHECK(s.primary() == "a");
    }
    SUBCASE("another was promoted, and the old one is seen first") {
        s.follow("b", 2);  // follows c
        s.claim("a", 1);
        s.pass(milliseconds(1));
        CHECK(s.primary().empty());
        s.claim("c", 2);
        s.pass(milliseconds(1));
        CHECK(s.primary() == "c");
    }
    SUBCASE("all have become standbys, as while a tool makes up its mind") {
        for (const char* host : {"a", "b", "c"})
            s.follow(host, 1);
        s.pass(milliseconds(1));
        CHECK(s.primary().empty());
        CHECK(s.replicas() == "abc");
    }
}

}  // namespace weir::failover_test
