// The ways from a connected socket to a start-up message, for every sslmode.
#include "proxy/server/tls_attempt.h"

#include <doctest/doctest.h>

namespace weir::tls_attempt_test {
using Step = TlsAttempt::Step;

namespace {

TlsAttempt attempt(SslMode mode, TlsNegotiation negotiation = TlsNegotiation::Postgres) {
    return {mode, negotiation, false, true};
}

Result<Step> answered(SslMode mode, std::string_view answer) {
    return attempt(mode).on_answer(as_bytes(answer));
}

}  // namespace

TEST_CASE("each sslmode begins its own way") {
    CHECK(attempt(SslMode::Disable).first_step() == Step::LogIn);
    CHECK(attempt(SslMode::Allow).first_step() == Step::LogIn);
    for (const SslMode mode :
         {SslMode::Prefer, SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull}) {
        CHECK(attempt(mode).first_step() == Step::Ask);
        CHECK(attempt(mode, TlsNegotiation::Direct).first_step() == Step::Handshake);
        // Unix sockets are not encrypted, whatever is asked for.
        CHECK(TlsAttempt(mode, TlsNegotiation::Postgres, true, true).first_step() == Step::LogIn);
        CHECK(TlsAttempt(mode, TlsNegotiation::Postgres, false, false).first_step() == Step::LogIn);
    }
}

TEST_CASE("the answer is one byte and nothing behind it") {
    for (const SslMode mode : {SslMode::Allow, SslMode::Prefer, SslMode::Require}) {
        CHECK(answered(mode, "S") == Step::Handshake);
        for (const char* bytes : {"SS", "NN", "S\x16", "E", "", "Sx", "s"})
            CHECK_FALSE(answered(mode, bytes));
    }
    CHECK(answered(SslMode::Prefer, "N") == Step::LogIn);
    const auto refused = answered(SslMode::Require, "N");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "server refused SSL");
    CHECK(refused.error().sqlstate == "08001");
    CHECK_FALSE(answered(SslMode::VerifyFull, "N"));
    CHECK(answered(SslMode::Prefer, "NR").error().message ==
          "received unencrypted data after SSL response");
}

TEST_CASE("prefer goes on without TLS once, allow with it once") {
    TlsAttempt prefer = attempt(SslMode::Prefer);
    CHECK(prefer.retry_after_handshake());
    CHECK(prefer.first_step() == Step::LogIn);
    CHECK_FALSE(prefer.retry_after_handshake());
    CHECK_FALSE(prefer.retry_after_refusal("28000"));

    TlsAttempt refused = attempt(SslMode::Prefer);
    CHECK_FALSE(refused.retry_after_refusal("28P01"));  // a wrong password stays one
    CHECK(refused.retry_after_refusal("28000"));
    CHECK(refused.first_step() == Step::LogIn);
    CHECK_FALSE(refused.retry_after_refusal("28000"));

    TlsAttempt allow = attempt(SslMode::Allow);
    CHECK_FALSE(allow.retry_after_handshake());
    CHECK_FALSE(allow.retry_after_refusal("53300"));
    CHECK(allow.retry_after_refusal("28000"));
    CHECK(allow.first_step() == Step::Ask);
    CHECK_FALSE(allow.retry_after_refusal("28000"));
    CHECK_FALSE(allow.on_answer(as_bytes(std::string_view("N"))));

    for (const SslMode mode : {SslMode::Disable, SslMode::Require, SslMode::VerifyFull}) {
        TlsAttempt firm = attempt(mode);
        CHECK_FALSE(firm.retry_after_handshake());
        CHECK_FALSE(firm.retry_after_refusal("28000"));
    }
    TlsAttempt local(SslMode::Prefer, TlsNegotiation::Postgres, true, true);
    CHECK_FALSE(local.retry_after_refusal("28000"));
}

}  // namespace weir::tls_attempt_test
