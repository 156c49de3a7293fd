// Goal: only what a backend caused is evidence against it.
// Method: every SQLSTATE that the specification names, and their neighbours.
#include "health/outcome.h"

#include <doctest/doctest.h>

#include <initializer_list>

namespace weir::outcome_test {
namespace {

Evidence evidence(std::string_view sqlstate, ErrorContext context = {}) {
    return evidence_of(classify_sqlstate(sqlstate, context));
}

TEST_CASE("errors by which a server says that it is not well are failures of server origin") {
    for (const char* sqlstate : {"57P01", "57P02", "57P03", "58000", "58030", "58P01", "XX000",
                                 "XX001", "XX002", "53100", "53200"}) {
        CAPTURE(sqlstate);
        CHECK(evidence(sqlstate) == Evidence::ServerFailure);
    }
}

TEST_CASE("what clients, statements and credentials cause is no evidence") {
    for (const char* sqlstate :
         {"22012", "23505", "40001", "40P01", "42601", "42P01", "28000", "28P01", "53300", "53400",
          "57014", "57P04", "57P05", "25P02", "25P03", "08P01", "00000", "XX003", "55P03"}) {
        CAPTURE(sqlstate);
        CHECK(evidence(sqlstate) == Evidence::None);
    }
    for (const Outcome outcome : {Outcome::CheckoutTimeout, Outcome::QueueTimeout,
                                  Outcome::ClientCancel, Outcome::StatementTimeout}) {
        CHECK(evidence_of(outcome) == Evidence::None);
    }
}

TEST_CASE("capacity and credentials are told apart from health") {
    CHECK(classify_sqlstate("53300", {}) == Outcome::CapacitySignal);
    CHECK(classify_sqlstate("28P01", {}) == Outcome::CredentialFailure);
    CHECK(is_capacity_signal(Outcome::CapacitySignal));
    CHECK(is_capacity_signal(classify_sqlstate("53200", {})));
    CHECK(is_capacity_signal(Outcome::LoginTimeout));
    CHECK_FALSE(is_capacity_signal(classify_sqlstate("53100", {})));
}

TEST_CASE("only at log-in do 57P01 and 57P03 end every doubt") {
    const ErrorContext login{.is_login = true};
    CHECK(ejects_at_once(classify_sqlstate("57P01", login)));
    CHECK(ejects_at_once(classify_sqlstate("57P03", login)));
    CHECK_FALSE(ejects_at_once(classify_sqlstate("57P02", login)));
    CHECK_FALSE(ejects_at_once(classify_sqlstate("57P01", {})));  // pg_terminate_backend()
    CHECK_FALSE(ejects_at_once(classify_sqlstate("57P03", {})));
}

TEST_CASE("25006 counts only against a primary that is not known to be writable") {
    CHECK(evidence("25006") == Evidence::None);
    CHECK(classify_sqlstate("25006", {.is_believed_primary = true}) == Outcome::NotPrimary);
    CHECK(evidence("25006", {.is_believed_primary = true}) == Evidence::ServerFailure);
    // BEGIN READ ONLY; INSERT ...: the client's own doing.
    CHECK(evidence("25006", {.is_believed_primary = true, .is_known_writable = true}) ==
          Evidence::None);
}

TEST_CASE("anything that is no SQLSTATE is no evidence") {
    for (const char* text : {"", "5", "57P0", "57P011", "58"}) {
        CHECK(classify_sqlstate(text, {.is_login = true}) == Outcome::SqlError);
    }
}

TEST_CASE("every outcome has words and a place") {
    int local = 0;
    int server = 0;
    for (int i = 0; i <= static_cast<int>(Outcome::SqlError); ++i) {
        const auto outcome = static_cast<Outcome>(i);
        CHECK(to_text(outcome) != "unknown");
        local += evidence_of(outcome) == Evidence::LocalFailure ? 1 : 0;
        server += evidence_of(outcome) == Evidence::ServerFailure ? 1 : 0;
    }
    CHECK(local == 7);
    CHECK(server == 5);
    CHECK(evidence_of(Outcome::Success) == Evidence::Success);
}

}  // namespace
}  // namespace weir::outcome_test
