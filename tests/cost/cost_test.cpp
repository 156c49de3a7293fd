// Goal: what one transaction costs stays what the README says: no memory, two receives, two sends,
// a share of epoll_wait, nothing else; and bulk data moves in large pieces. Method: the product in
// this process on real sockets, its calls counted (counting.h). Counts, not times: a busy machine
// changes nothing but how many events one epoll_wait brings.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/cost/counting.h"
#include "tests/cost/rig.h"

namespace weir::cost {

namespace {

constexpr int kWarmUp = 300;
constexpr int kRounds = 1500;
// What the workers had not finished when the counting began.
constexpr uint64_t kStragglers = 16;
// A worker that was kept waiting for half a second is woken to look for leaks.
constexpr uint64_t kWokenMax = 2;

using Clients = std::vector<std::unique_ptr<Client>>;

// Every client asks at once, then each reads its answer: with fewer servers than clients, some
// wait.
void round(Clients& clients, const std::string& request) {
    for (auto& client : clients)
        client->send(request);
    for (auto& client : clients)
        client->read_until('Z');
}

Counts measure(Clients& clients, const std::vector<std::string>& requests) {
    const auto run = [&](int rounds) {
        for (int i = 0; i < rounds; ++i) {
            for (const std::string& request : requests)
                round(clients, request);
        }
    };
    run(kWarmUp);
    trace_allocations();
    const Counts before = counts();
    run(kRounds);
    const Counts out = counts() - before;
    // Otherwise nothing was counted at all, and zero means nothing.
    REQUIRE(out[Call::Receive] >= static_cast<uint64_t>(kRounds));
    return out;
}

const std::string kSimple = simple("select 1");
const std::string kExtended = extended("select $1");
const std::string kPrepared = prepared("s");

// With several workers the largest batch ever may come late: lists of grants double then.
constexpr uint64_t kLateGrowth = 20;

void check_no_allocation(int workers, int servers, int count, bool has_rate_limits = false) {
    Rig rig({.workers = workers, .pool_size = servers, .has_rate_limits = has_rate_limits});
    Clients clients = rig.clients(count);
    for (auto& client : clients)
        client->run(prepare("s", "select $1, 's'"));
    const uint64_t allowed = workers > 1 ? kLateGrowth : 0;
    const std::pair<std::string, std::vector<std::string>> kinds[] = {
        {"simple", {kSimple}},
        {"extended", {kExtended}},
        {"prepared", {kPrepared}},
        {"mixed", {kSimple, kPrepared, kExtended}}};
    for (const auto& [name, requests] : kinds) {
        const Counts cost = measure(clients, requests);
        INFO(name, ": ", cost.text());
        CHECK(cost[Call::Allocate] <= allowed);
        if (cost[Call::Allocate] > allowed) print_allocations();
    }
    if (count > 1) return;  // in a block every client needs a server of its own
    const Counts cost = measure(clients, {simple("begin"), kSimple, kPrepared, simple("commit")});
    INFO("block: ", cost.text());
    CHECK(cost[Call::Allocate] <= allowed);
}

// Of eight clients.
void check_calls(const RigPlan& plan, uint64_t allocations) {
    constexpr int kClients = 8;
    constexpr uint64_t kTransactions = uint64_t{kRounds} * kClients;
    Rig rig(plan);
    Clients clients = rig.clients(kClients);
    for (auto& client : clients)
        client->run(prepare("s", "select $1, 's'"));
    for (const std::string& request : {kSimple, kExtended, kPrepared}) {
        const Counts cost = measure(clients, {request});
        INFO(cost.text());
        CHECK(cost.socket_calls() <= 4 * kTransactions + kStragglers);
        CHECK(cost[Call::EpollWait] <= 2 * kTransactions);
        CHECK(cost[Call::EpollControl] == 0);
        CHECK(cost[Call::Wake] == 0);
        CHECK(cost[Call::Allocate] <= allocations);
        CHECK(cost[Call::Other] <= kWokenMax);
    }
}

}  // namespace

TEST_CASE("a transaction allocates nothing") {
    check_no_allocation(1, 1, 1);
}

TEST_CASE("a transaction that waits for a server allocates nothing") {
    check_no_allocation(1, 1, 8);
}

TEST_CASE("a transaction within its rate limits allocates nothing") {
    check_no_allocation(1, 1, 1, true);
}

TEST_CASE("servers that change hands between workers allocate nothing") {
    check_no_allocation(2, 3, 16);
}

TEST_CASE("a transaction costs four socket calls and a share of epoll_wait") {
    check_calls({.workers = 1, .pool_size = 8}, 0);
}

TEST_CASE("a wait for a server costs no socket call more") {
    constexpr int kClients = 8;
    constexpr uint64_t kTransactions = uint64_t{kRounds} * kClients;
    Rig rig({.workers = 1, .pool_size = 2});
    Clients clients = rig.clients(kClients);
    const Counts cost = measure(clients, {kSimple});
    INFO(cost.text());
    CHECK(cost.socket_calls() <= 4 * kTransactions + kStragglers);
    CHECK(cost[Call::EpollControl] == 0);
    CHECK(cost[Call::Wake] == 0);
}

TEST_CASE("workers that share a thread cost no more than one") {
    check_calls({.workers = 2, .are_folded = true, .pool_size = 3}, kLateGrowth);
}

TEST_CASE("a large result moves in large pieces") {
    constexpr uint64_t kBytes = InstantServer::kStreamRows * InstantServer::kStreamRowBytes;
    Rig rig({});
    const auto client = rig.client();
    client->run(kSimple);
    const Counts before = counts();
    client->send(simple("stream"));
    CHECK(client->read_until('Z') > kBytes);
    const Counts cost = counts() - before;
    INFO(cost.text());
    CHECK(cost.sent_bytes > kBytes);
    CHECK(cost.socket_calls() / 2 <= kBytes / 65536);
    CHECK(cost[Call::Allocate] <= cost.socket_calls());
}

TEST_CASE("a large COPY moves in large pieces") {
    constexpr uint64_t kLines = 200;
    Rig rig({});
    const auto client = rig.client();
    client->run(kSimple);
    client->send(simple("copy t from stdin"));
    client->read_until('G');
    std::string lines;
    for (int i = 0; i < 1000; ++i)
        lines += std::string("d\0\0\4\4", 5) + std::string(1024, 'y');
    const Counts before = counts();
    for (uint64_t i = 0; i < kLines; ++i)
        client->send(lines);
    client->run(std::string("c\0\0\0\4", 5));
    const Counts cost = counts() - before;
    INFO(cost.text());
    CHECK(cost.sent_bytes > kLines * lines.size());
    CHECK(cost.socket_calls() / 2 <= kLines * lines.size() / 65536);
}

}  // namespace weir::cost
