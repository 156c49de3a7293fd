// Goal: each way in which a probe fails has its outcome. Method: libpq's texts, as seen.
#include "health/probe_error.h"

#include <doctest/doctest.h>

namespace weir::probe_error_test {

TEST_CASE("the SQLSTATE is found in verbose text of any language, the last one counts") {
    CHECK(sqlstate_of("connection to server at \"::1\", port 1 failed: FATAL:  57P03: the database "
                      "system is starting up\nLOCATION:  f\n") == "57P03");
    CHECK(sqlstate_of("ФАТАЛЬНО:  28P01: ...\n") == "28P01");
    CHECK(sqlstate_of("FATAL:  28000: no TLS\nconnection to ... FATAL:  53300: too many") ==
          "53300");
    CHECK(sqlstate_of("FATAL:  hello").empty());
    CHECK(sqlstate_of("DETAIL:  abcde: x").empty());
    CHECK(sqlstate_of("").empty());
}

TEST_CASE("a server's answer to a log-in") {
    const auto classify = [](const char* text) {
        return classify_connect_failure(ProbePhase::Login, text);
    };
    CHECK(classify("FATAL:  57P03: starting up") == Outcome::ServerStarting);
    CHECK(classify("FATAL:  57P01: stopping") == Outcome::ServerShuttingDown);
    CHECK(classify("FATAL:  28P01: password") == Outcome::CredentialFailure);
    CHECK(classify("FATAL:  53300: too many clients") == Outcome::CapacitySignal);
    CHECK(classify("FATAL:  3D000: no database") == Outcome::SqlError);
    CHECK(classify("fe_sendauth: no password supplied") == Outcome::CredentialFailure);
}

TEST_CASE("what the operating system or libpq refused") {
    using enum ProbePhase;
    CHECK(classify_connect_failure(Connect, "failed: Connection refused") ==
          Outcome::ConnectRefused);
    CHECK(classify_connect_failure(Connect, "failed: No such file or directory") ==
          Outcome::ConnectRefused);
    CHECK(classify_connect_failure(Connect, "Connection timed out") == Outcome::ConnectTimeout);
    CHECK(classify_connect_failure(Connect, "No route to host") == Outcome::ConnectTimeout);
    CHECK(classify_connect_failure(Connect, "could not translate host name \"x\"") ==
          Outcome::ProbeFailure);
    CHECK(classify_connect_failure(Login, "server closed the connection unexpectedly") ==
          Outcome::ConnectionLost);
    CHECK(classify_connect_failure(Tls, "certificate verify failed") == Outcome::TlsFailure);
    CHECK(classify_connect_failure(Login, "server does not support SSL") == Outcome::TlsFailure);
    CHECK(classify_connect_failure(Login, "expected authentication request") ==
          Outcome::ProbeFailure);
}

TEST_CASE("a deadline is classified by what was waited for") {
    CHECK(classify_deadline(ProbePhase::Connect) == Outcome::ConnectTimeout);
    CHECK(classify_deadline(ProbePhase::Tls) == Outcome::LoginTimeout);
    CHECK(classify_deadline(ProbePhase::Login) == Outcome::LoginTimeout);
    CHECK(classify_deadline(ProbePhase::Query) == Outcome::ProbeTimeout);
}

TEST_CASE("who refuses us is alive") {
    CHECK(is_refusal_of_a_live_server(Outcome::CredentialFailure, "28P01"));
    CHECK(is_refusal_of_a_live_server(Outcome::CredentialFailure, ""));
    CHECK(is_refusal_of_a_live_server(Outcome::SqlError, "3D000"));
    CHECK_FALSE(is_refusal_of_a_live_server(Outcome::SqlError, ""));
    CHECK_FALSE(is_refusal_of_a_live_server(Outcome::ServerStarting, "57P03"));
    CHECK_FALSE(is_refusal_of_a_live_server(Outcome::CapacitySignal, "53300"));
}

TEST_CASE("the text for people is one bounded line of the last attempt") {
    CHECK(one_line("connection to server 1 failed: a\nconnection to server 2 failed: b\nHINT: c") ==
          "connection to server 2 failed: b");
    CHECK(one_line("a\tb\nc") == "a b");
    CHECK(one_line(std::string(1000, 'x')).size() == 200);
    CHECK(one_line("").empty());
}

}  // namespace weir::probe_error_test
