// Goal: entries that share a server become one cluster, and nothing is watched that offers no
// choice. Method: plans by hand.
#include "health/cluster_plan.h"

#include <doctest/doctest.h>

namespace weir::cluster_plan_test {
namespace {

BackendSpec backend(const std::string& name, const std::string& host,
                    RoleWish role = RoleWish::Auto) {
    BackendSpec spec;
    spec.name = name;
    spec.host = host;
    spec.role = role;
    return spec;
}

ClusterSpec entry(const std::string& name, std::vector<BackendSpec> backends) {
    ClusterSpec spec;
    spec.name = name;
    spec.backends = std::move(backends);
    return spec;
}

}  // namespace

TEST_CASE("a database of one backend without a wished role is not watched") {
    CHECK(plan_clusters({{entry("db", {backend("a", "a")})}, {}}).empty());
    CHECK(plan_clusters({{entry("db", {})}, {}}).empty());
    CHECK(plan_clusters({{entry("db", {backend("a", "a", RoleWish::Primary)})}, {}}).size() == 1);
}

TEST_CASE("entries that share a backend are one cluster, even if a later entry joins them") {
    const auto clusters = plan_clusters({{entry("x", {backend("a", "a"), backend("b", "b")}),
                                          entry("y", {backend("c", "c"), backend("d", "d")}),
                                          entry("z", {backend("b", "b"), backend("d", "d")}),
                                          entry("w", {backend("e", "e"), backend("f", "f")})},
                                         {}});
    REQUIRE(clusters.size() == 2);
    CHECK(clusters[0].name == "x,y,z");
    CHECK(clusters[0].endpoints.size() == 4);
    CHECK(clusters[1].name == "w");
}

TEST_CASE("one address under two names is one endpoint that answers to both") {
    const auto clusters = plan_clusters(
        {{entry("x", {backend("a", "h"), backend("b", "i")}), entry("y", {backend("c", "h")})},
         {}});
    REQUIRE(clusters.size() == 1);
    CHECK(clusters[0].endpoints[0].names == std::vector<std::string>{"a", "c"});
    CHECK(clusters[0].endpoints[0].spec.name == "a");
}

TEST_CASE("a wished role counts whoever wishes it, and different wishes are noticed") {
    const auto clusters = plan_clusters(
        {{entry("x", {backend("a", "a"), backend("b", "b", RoleWish::Primary)}),
          entry("y", {backend("a", "a", RoleWish::Replica), backend("b", "b", RoleWish::Replica)})},
         {}});
    REQUIRE(clusters.size() == 1);
    CHECK(clusters[0].endpoints[0].spec.role == RoleWish::Replica);
    CHECK_FALSE(clusters[0].endpoints[0].has_wish_conflict);
    CHECK(clusters[0].endpoints[1].spec.role == RoleWish::Primary);
    CHECK(clusters[0].endpoints[1].has_wish_conflict);
}

TEST_CASE("the log-in and the system identifier of any entry serve the whole cluster") {
    ClusterSpec with = entry("y", {backend("a", "a"), backend("b", "b")});
    with.login = ProbeLogin();
    with.login->user = "monitor";
    with.system_identifier = 7;
    const auto clusters =
        plan_clusters({{entry("x", {backend("a", "a"), backend("b", "b")}), with}, {}});
    REQUIRE(clusters.size() == 1);
    REQUIRE(clusters[0].login.has_value());
    CHECK(clusters[0].login->user == "monitor");
    CHECK(clusters[0].system_identifier == 7);
}

}  // namespace weir::cluster_plan_test
