// Goal: what a Patroni says hurries probes and may take a role away for a moment, and can do
// nothing else; one that does not answer changes nothing and is told once. Method: a registry with
// hand-made answers, probes and instants.
#include <doctest/doctest.h>

#include <algorithm>

#include "health/registry.h"

namespace weir::cluster_patroni_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Fixture {
    EndpointTable table{1};
    HealthRegistry registry{table, 1};
    HealthPlan plan;
    Instant now{1'000'000'000};
    std::vector<HealthEvent> events;  // of the last apply

    explicit Fixture(bool with_login = true) {
        ClusterSpec cluster;
        cluster.name = "db";
        if (with_login) cluster.login = ProbeLogin();
        for (const char* host : {"a", "b", "c"}) {
            BackendSpec backend;
            backend.name = backend.host = host;
            if (*host != 'c') backend.patroni = std::string("http://") + host + ":8008";
            cluster.backends.push_back(backend);
        }
        plan.clusters.push_back(cluster);
        configure();
        if (!with_login) return;
        probe("a", false);
        probe("b", true);
        probe("c", true);
        apply();
        CHECK_FALSE(is_hurried("a"));
    }
    void configure() {
        registry.configure(plan, now);
        apply();
    }
    Endpoint& endpoint(const std::string& host) { return table.obtain(host, 5432); }
    Role role(const std::string& host) { return endpoint(host).verdict().role; }
    bool is_hurried(const std::string& host) { return registry.take_hurry(endpoint(host)); }
    bool are_all_hurried() {
        const std::vector<bool> all{is_hurried("a"), is_hurried("b"), is_hurried("c")};
        return std::count(all.begin(), all.end(), true) == 3;
    }
    void apply() { events = registry.apply(now).events; }
    void probe(const std::string& host, bool is_in_recovery, uint32_t timeline = 1) {
        probe_of(now, host, is_in_recovery, timeline);
    }
    void probe_of(Instant sent_at, const std::string& host, bool is_in_recovery,
                  uint32_t timeline = 1) {
        ProbeReport report;
        report.has_role = true;
        report.result.outcome = Outcome::Success;
        report.result.sent_at = sent_at;
        report.result.is_in_recovery = is_in_recovery;
        report.result.timeline = timeline;
        report.result.system_identifier = 42;
        registry.on_probe(endpoint(host), report, now);
    }
    void say(const std::string& host, const Result<PatroniAnswer>& said) {
        now = now + milliseconds(250);
        registry.on_patroni(endpoint(host), said, now);
        apply();
    }
    void say(const std::string& host, const std::string& role, const std::string& state = "running",
             uint32_t timeline = 1) {
        say(host, PatroniAnswer{role, state, timeline});
    }
    size_t told(const std::string& text) const {
        return static_cast<size_t>(
            std::count_if(events.begin(), events.end(), [&text](const HealthEvent& event) {
                return event.reason.find(text) != std::string::npos;
            }));
    }
    std::string shown(size_t index) const {
        return registry.snapshot(now).backends.at(index).patroni;
    }
};

}  // namespace

TEST_CASE("Patroni: the backends that have one are asked, at their interval") {
    Fixture f;
    const auto targets = f.registry.patroni_targets();
    REQUIRE(targets.size() == 2);
    CHECK(targets[0].endpoint == &f.endpoint("a"));
    CHECK(targets[0].url == "http://a:8008");
    for (int i = 0; i < 50; ++i) {
        const Duration pause = f.registry.next_patroni_pause(f.endpoint("a"));
        CHECK(pause >= milliseconds(200));
        CHECK(pause <= milliseconds(300));
    }
    CHECK(f.shown(0) == "no answer yet");
    CHECK(f.shown(2).empty());
}

TEST_CASE("Patroni: one that does not answer is asked less and less, until it does") {
    Fixture f;
    for (const int factor : {1, 2, 4, 8, 16, 16, 16}) {
        f.say("a", fail("57014", "no answer"));
        const Duration pause = f.registry.next_patroni_pause(f.endpoint("a"));
        CHECK(pause >= factor * milliseconds(200));
        CHECK(pause <= factor * milliseconds(300));
    }
    CHECK(f.registry.next_patroni_pause(f.endpoint("b")) <= milliseconds(300));
    f.say("a", "replica");
    CHECK(f.registry.next_patroni_pause(f.endpoint("a")) <= milliseconds(300));
}

TEST_CASE("Patroni: without probes it is not asked, and that is told") {
    Fixture f(false);
    CHECK(f.registry.patroni_targets().empty());
    CHECK(f.told("its Patroni is not asked") == 2);
}

TEST_CASE("Patroni: a leader that stops loses its role until a probe gives it back") {
    Fixture f;
    f.say("a", "primary");
    CHECK(f.role("a") == Role::Primary);
    CHECK(f.are_all_hurried());  // it might have become one just now
    f.say("a", "primary");
    CHECK_FALSE(f.is_hurried("a"));
    f.say("a", "primary", "stopping");
    CHECK(f.role("a") == Role::Unknown);
    CHECK(f.role("b") == Role::Replica);
    CHECK(f.are_all_hurried());
    CHECK(f.shown(0) == "primary/stopping");
    f.say("a", "primary", "stopping");  // the same again
    CHECK_FALSE(f.is_hurried("a"));
    f.probe("a", false);
    f.apply();
    CHECK(f.role("a") == Role::Primary);
    f.say("a", "primary", "stopping");
    CHECK(f.role("a") == Role::Primary);
}

TEST_CASE("Patroni: a probe that was under way does not outlive the word") {
    Fixture f;
    f.say("a", "primary");
    const Instant sent = f.now;
    f.say("a", "replica");
    f.probe_of(sent, "a", false);  // asked before Patroni spoke
    f.apply();
    CHECK(f.role("a") == Role::Unknown);
}

TEST_CASE(
    "Patroni: a replica that is called the leader stays a replica, and is probed for a while") {
    Fixture f;
    f.say("b", "replica");
    f.say("b", "primary", "running", 2);
    CHECK(f.role("a") == Role::Primary);
    CHECK(f.role("b") == Role::Replica);
    CHECK(f.are_all_hurried());
    for (int i = 0; i < 19; ++i) {  // 4.75 s
        f.say("b", "primary", "running", 2);
        f.probe("a", false);
        f.probe("b", true);
        f.apply();
        CHECK(f.role("a") == Role::Primary);
        CHECK(f.role("b") == Role::Replica);
        CHECK(f.is_hurried("b"));
        CHECK_FALSE(f.is_hurried("a"));
    }
    f.say("b", "primary", "running", 2);
    CHECK_FALSE(f.is_hurried("b"));
}

TEST_CASE(
    "Patroni: a promotion is followed when the server itself tells, and not asked for longer") {
    Fixture f;
    f.say("a", "primary");
    f.say("b", "replica");
    f.say("a", "replica", "stopping");
    f.say("b", "primary", "running", 2);
    CHECK(f.role("b") == Role::Replica);
    CHECK(f.are_all_hurried());
    f.probe("b", false, 2);
    f.apply();
    CHECK(f.role("b") == Role::Primary);
    f.say("b", "primary", "running", 2);
    CHECK_FALSE(f.is_hurried("b"));
    // The old one's word does not bring it back, nor does its own on the old timeline.
    f.say("a", "primary");
    f.probe("a", false, 1);
    f.apply();
    CHECK(f.role("b") == Role::Primary);
    CHECK(f.role("a") == Role::Unknown);
}

TEST_CASE(
    "Patroni: silence and nonsense change nothing and are told once, and again after an answer") {
    Fixture f;
    f.say("a", "primary");
    f.now = f.now + seconds(1);
    (void)f.are_all_hurried();
    for (int i = 0; i < 10; ++i) {
        f.say("a", fail("08006", "connection refused"));
        CHECK(f.told("its Patroni does not help: connection refused") == (i == 0 ? 1 : 0));
        f.probe("a", false);
        f.apply();
        CHECK(f.role("a") == Role::Primary);
        CHECK_FALSE(f.is_hurried("a"));
        CHECK_FALSE(f.is_hurried("b"));
        CHECK(f.shown(0) == "connection refused");
    }
    f.say("a", "primary");
    CHECK(f.told("its Patroni answers: primary/running") == 1);
    CHECK_FALSE(f.is_hurried("b"));
    CHECK(f.shown(0) == "primary/running");
    f.now = f.now + seconds(1);
    f.say("a", fail("57014", "no answer within the time allowed"));
    CHECK(f.told("no answer within") == 1);
    // What it said before the silence still counts as its last word.
    f.say("a", "replica");
    CHECK(f.role("a") == Role::Unknown);
}

TEST_CASE("Patroni: one that changes its mind all the time does not fill the log") {
    Fixture f;
    size_t lines = 0;
    for (int i = 0; i < 40; ++i) {  // 10 s
        f.say("b", i % 2 == 0 ? "primary" : "replica");
        lines += f.told("its Patroni");
        f.say("b", fail("08006", "refused"));
        lines += f.told("its Patroni");
    }
    CHECK(lines >= 5);
    CHECK(lines <= 21);
    CHECK(f.role("b") == Role::Replica);
}

TEST_CASE("Patroni: its word survives a RELOAD, unless it is another's") {
    Fixture f;
    f.say("a", "primary");
    f.configure();
    CHECK(f.shown(0) == "primary/running");
    f.plan.clusters[0].backends[0].patroni = "http://a:9999";
    f.configure();
    CHECK(f.shown(0) == "no answer yet");
    f.say("a", "replica");
    CHECK(f.role("a") == Role::Primary);
    f.plan.clusters[0].backends[0].patroni.clear();
    f.configure();
    CHECK(f.shown(0).empty());
    CHECK(f.registry.patroni_targets().size() == 1);
}

TEST_CASE("Patroni: of two entries for one server the one that has it counts") {
    Fixture f;
    ClusterSpec other = f.plan.clusters[0];
    other.name = "other";
    for (BackendSpec& backend : other.backends)
        backend.patroni = "http://" + backend.host + ":1";
    f.plan.clusters.push_back(other);
    f.configure();
    const auto targets = f.registry.patroni_targets();
    REQUIRE(targets.size() == 3);
    CHECK(targets[0].url == "http://a:8008");
    CHECK(targets[2].url == "http://c:1");
}

}  // namespace weir::cluster_patroni_test
