// Goal: what another process hands over is adopted only if its references hold together; sessions
// of users that nobody configured any more, over the limits, and of databases that are gone are
// adopted all the same. Method: one worker in memory; worlds made by hand.
#include <doctest/doctest.h>

#include "proxy/session/clients.h"
#include "proxy/takeover/adopt.h"
#include "tests/support/login_rig.h"

namespace weir::sim::takeover_adopt_test {

namespace {

std::string peer() {
    const PeerAddress address = PeerAddress::from(*Address::from_ip("192.0.2.7", 77));
    return {reinterpret_cast<const char*>(&address), sizeof address};
}

struct Fixture {
    Fixture() {
        HandedGroup& group = world.groups.emplace_back();
        group.database = "db";
        group.user = "u";
        world.statements.push_back({"select 1", ""});
        world.welcomes.push_back({{{"server_version", "15.1"}}});
    }

    // The descriptor of a connection that is nobody's.
    int fd() {
        links.push_back(rig.connect());
        for (uint32_t slot = 0; slot < ctx().clients_slab.capacity(); ++slot) {
            ClientSession& session = *ctx().clients_slab.at(slot);
            if (session.fd == links.back()->fd) return ctx().clients->detach(session);
        }
        return -1;
    }
    WorkerContext& ctx() { return rig.context(); }
    HandedSession& add_session() {
        HandedSession& session = world.sessions.emplace_back();
        session.fd = 9999;
        session.phase = HandedPhase::Live;
        session.group = 1;
        session.user = "u";
        session.database = "db";
        session.peer = peer();
        return session;
    }
    HandedServer& add_server(HandedServerPhase phase) {
        HandedServer& server = world.servers.emplace_back();
        server.fd = 9998;
        server.group = 1;
        server.phase = phase;
        server.tracker.status = TransactionStatus::Idle;
        return server;
    }
    Result<Adoption> run() {
        WorkerContext* workers[] = {&ctx()};
        return adopt(world, workers, rig.shared(), *ctx().config, Instant{1'000'000'000});
    }

    LoginRig rig{make_login_config()};
    std::vector<LinkPtr> links;
    HandedWorld world;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "adopt: references that lead nowhere are refused, and nothing is taken") {
    const int before = rig.clients();
    SUBCASE("a server without a group") {
        add_server(HandedServerPhase::Closing).group = 0;
    }
    SUBCASE("a server of a group that does not exist") {
        add_server(HandedServerPhase::Closing).group = 2;
    }
    SUBCASE("a server that serves nobody") {
        add_server(HandedServerPhase::Relaying);
    }
    SUBCASE("an idle server that is at work") {
        add_server(HandedServerPhase::Cleaning).ledger = HandedLedger::Idle;
    }
    SUBCASE("a session of a server that does not exist") {
        add_session().server = 1;
    }
    SUBCASE("two sessions of one server") {
        add_server(HandedServerPhase::Relaying);
        add_session().server = 1;
        add_session().server = 1;
    }
    SUBCASE("a session that has logged in to nothing") {
        add_session().group = 0;
    }
    SUBCASE("a login without its state") {
        add_session().phase = HandedPhase::Authenticated;
    }
    SUBCASE("a statement that does not exist") {
        add_session().named = {{"a", 2}};
    }
    SUBCASE("a welcome that does not exist") {
        add_session().welcome = 2;
    }
    SUBCASE("an address that is none") {
        add_session().peer = "x";
    }
    SUBCASE("a reason that is none") {
        add_session().reason = 10'000;
    }
    SUBCASE("a cancel request of nobody") {
        world.cancels.push_back({9997, 1, 0, false, "x"});
    }
    SUBCASE("a group of a welcome that does not exist") {
        world.groups[0].welcomes = {9};
    }
    CHECK_FALSE(run());
    CHECK(rig.clients() == before);
}

TEST_CASE_FIXTURE(Fixture, "adopt: nobody is turned away") {
    auto config = std::make_shared<Config>(*ctx().config);
    config->global.max_client_conn = 1;
    rig.set_config(config);
    HandedGroup& gone = world.groups.emplace_back();
    gone.database = "gone";
    gone.user = "u";
    world.process.last_id = 500;
    for (int i = 0; i < 3; ++i) {
        const int descriptor = fd();
        HandedSession& session = add_session();
        session.fd = descriptor;
        session.reads = session.holds_client_units = true;
        session.named = {{"mine", 1}};
        session.welcome = 1;
        session.cancel_key = CancelKey::of_word(0x0100000200000000ULL + static_cast<uint64_t>(i));
        session.parameters = {{"application_name", "x"}, {"no_such", "y"}};
        if (i == 2) {
            session.group = 2;
            session.database = "gone";
        }
    }
    const int clients_before = rig.clients();
    const int units_before = rig.shared().pools.clients.used();
    const Result<Adoption> adopted = run();
    REQUIRE(adopted);
    CHECK(adopted->sessions == 3);
    CHECK(adopted->removed == std::vector<std::string>{"gone"});
    CHECK(rig.clients() == clients_before + 3);
    CHECK(rig.shared().pools.clients.used() == units_before + 3);
    CHECK(rig.shared().last_id.load() == 500);
    const auto found = rig.shared().adopted_keys.find(CancelKey::of_word(0x0100000200000001ULL));
    REQUIRE(found);
    const ClientSession* session = ctx().clients_slab.find(found->slot, found->generation);
    REQUIRE(session != nullptr);
    CHECK(session->statements->find("mine")->sql() == "select 1");
    CHECK(session->phase == ClientPhase::Idle);
}

}  // namespace weir::sim::takeover_adopt_test
