// Goal: logins at the same time share a query, and nobody is told an answer that is older than the
// login.
#include "proxy/auth/secret_flights.h"

#include <doctest/doctest.h>

namespace weir::secret_flights_test {
namespace {

const SecretKey kJane{"db", "jane"};

LoginQuestion client(uint32_t slot, WorkerId worker = 0) {
    return {{slot, 1, worker}, 1, nullptr};
}

std::vector<uint32_t> slots(const SecretFlights::Landed& landed) {
    std::vector<uint32_t> out;
    for (const LoginQuestion& question : landed.to_tell)
        out.push_back(question.client.slot);
    return out;
}

using Slots = std::vector<uint32_t>;

TEST_CASE("the first one asks, and all who came before the query was sent are told") {
    SecretFlights flights;
    CHECK(flights.join(kJane, client(1)));
    CHECK_FALSE(flights.join(kJane, client(2, 1)));
    CHECK(flights.join({"db", "joe"}, client(3)));
    CHECK(flights.join({"other", "jane"}, client(4)));
    flights.depart(kJane);
    const SecretFlights::Landed landed = flights.land(kJane);
    CHECK(slots(landed) == Slots{1, 2});
    CHECK(landed.to_tell[1].client.worker == 1);
    CHECK_FALSE(landed.has_next);
    CHECK(flights.join(kJane, client(5)));
}

TEST_CASE("who comes after the query was sent waits for the next one") {
    SecretFlights flights;
    flights.join(kJane, client(1));
    flights.depart(kJane);
    CHECK_FALSE(flights.join(kJane, client(2)));
    CHECK_FALSE(flights.join(kJane, client(3)));
    SecretFlights::Landed landed = flights.land(kJane);
    CHECK(slots(landed) == Slots{1});
    REQUIRE(landed.has_next);
    CHECK_FALSE(flights.join(kJane, client(4)));  // not sent yet
    flights.depart(kJane);
    landed = flights.land(kJane);
    CHECK(slots(landed) == Slots{2, 3, 4});
    CHECK_FALSE(landed.has_next);
}

TEST_CASE("it is known when nobody waits any more") {
    SecretFlights flights;
    const auto first = std::make_shared<std::atomic<bool>>(false);
    const auto second = std::make_shared<std::atomic<bool>>(false);
    CHECK(flights.join(kJane, {{1, 1, 0}, 1, first}));
    CHECK_FALSE(flights.drop_unwanted(kJane));
    flights.depart(kJane);
    CHECK_FALSE(flights.join(kJane, {{2, 1, 0}, 1, second}));
    first->store(true);
    CHECK_FALSE(flights.drop_unwanted(kJane));
    second->store(true);
    CHECK(flights.drop_unwanted(kJane));
    CHECK(flights.join(kJane, client(3)));  // a new one
}

}  // namespace
}  // namespace weir::secret_flights_test
