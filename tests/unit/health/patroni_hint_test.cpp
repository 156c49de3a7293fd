// Goal: only a change of Patroni's word has an effect, and only one that can do no harm.
// Method: one case per rule; then all pairs of some answers.
#include "health/patroni_hint.h"

#include <doctest/doctest.h>

namespace weir::patroni_hint_test {
namespace {

const PatroniAnswer kPrimary{"primary", "running", 1};
const PatroniAnswer kReplica{"replica", "running", 1};

}  // namespace

TEST_CASE("Patroni's hint: the first word hurries if it is a leader's, and revokes nothing") {
    CHECK(patroni_hint({}, kPrimary).is_hurried);
    CHECK_FALSE(patroni_hint({}, kPrimary).is_revoked);
    CHECK_FALSE(patroni_hint({}, kReplica).is_hurried);
    CHECK_FALSE(patroni_hint({}, kReplica).is_revoked);
}

TEST_CASE("Patroni's hint: a leader that is none any more is revoked, a new one makes haste") {
    for (const PatroniAnswer& after :
         {kReplica, PatroniAnswer{"primary", "stopping", 1}, PatroniAnswer{"demoted", "running", 1},
          PatroniAnswer{"standby_leader", "running", 1}}) {
        CHECK(patroni_hint(kPrimary, after).is_hurried);
        CHECK(patroni_hint(kPrimary, after).is_revoked);
        CHECK_FALSE(patroni_hint(after, kPrimary).is_revoked);
        CHECK(patroni_hint(after, kPrimary).is_hurried);
    }
}

TEST_CASE("Patroni's hint: the word changes from master to primary with an upgrade") {
    CHECK_FALSE(patroni_hint(PatroniAnswer{"master", "running", 1}, kPrimary).is_revoked);
}

TEST_CASE("Patroni's hint: a higher timeline is news, an unknown one is not") {
    CHECK(patroni_hint(kReplica, {"replica", "running", 2}).is_hurried);
    CHECK_FALSE(patroni_hint(kReplica, {"replica", "running", 0}).is_hurried);
    CHECK_FALSE(patroni_hint(PatroniAnswer{"replica", "running", 0}, kReplica).is_hurried);
    CHECK_FALSE(patroni_hint(PatroniAnswer{"replica", "running", 2}, kReplica).is_hurried);
}

TEST_CASE("Patroni's hint: states between which nothing runs are no news") {
    CHECK_FALSE(patroni_hint(PatroniAnswer{"replica", "stopped", 1}, {"replica", "starting", 1})
                    .is_hurried);
    CHECK(patroni_hint(PatroniAnswer{"replica", "starting", 1}, kReplica).is_hurried);
}

TEST_CASE("Patroni's hint: the same word again does nothing, whatever it is") {
    for (const char* role : {"primary", "master", "replica", "standby_leader"}) {
        for (const char* state : {"running", "stopped"}) {
            const PatroniAnswer answer{role, state, 3};
            CHECK_FALSE(patroni_hint(answer, answer).is_hurried);
            CHECK_FALSE(patroni_hint(answer, answer).is_revoked);
        }
    }
}

}  // namespace weir::patroni_hint_test
