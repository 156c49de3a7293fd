// Goal: an answer of Patroni's is read as it is; anything else is an error, never a crash, and no
// word of it can soil console or log. Method: real answers, then wrong ones of every kind, then
// every prefix of a good one and random changes of it.
#include "health/patroni_answer.h"

#include <doctest/doctest.h>

#include "protocol/base/random.h"

namespace weir::patroni_answer_test {
namespace {

constexpr std::string_view kPrimary =
    R"({"state": "running", "postmaster_start_time": "2026-01-31 12:00:00.000000+00:00",)"
    R"( "role": "primary", "server_version": 150006, "xlog": {"location": 67108960},)"
    R"( "timeline": 4, "replication": [{"usename": "r", "sync_state": "async"}],)"
    R"( "dcs_last_seen": 1769860800, "database_system_identifier": "7300000000000000001",)"
    R"( "patroni": {"version": "4.0.4", "scope": "demo", "name": "pg1"}})";

std::string problem(std::string_view body) {
    CAPTURE(body);
    const auto answer = read_patroni_answer(body);
    REQUIRE_FALSE(answer);
    return answer.error().message;
}

PatroniAnswer good(std::string_view body) {
    CAPTURE(body);
    const auto answer = read_patroni_answer(body);
    REQUIRE(answer);
    return *answer;
}

}  // namespace

TEST_CASE("Patroni's answer: role, state and timeline are read, all else is not looked at") {
    CHECK(good(kPrimary) == PatroniAnswer{"primary", "running", 4});
    CHECK(to_text(good(kPrimary)) == "primary/running");
    CHECK(good(R"({"role":"replica","state":"in archive recovery"})") ==
          PatroniAnswer{"replica", "in archive recovery", 0});
}

TEST_CASE("Patroni's answer: the leader is a running primary, by its new name or its old one") {
    CHECK(is_leader({"primary", "running", 1}));
    CHECK(is_leader({"master", "running", 1}));
    CHECK_FALSE(is_leader({"master", "stopping", 1}));
    CHECK_FALSE(is_leader({"primary", "crashed", 1}));
    for (const char* role : {"replica", "standby_leader", "demoted", "uninitialized", "Primary"})
        CHECK_FALSE(is_leader({role, "running", 1}));
}

TEST_CASE("Patroni's answer: what is none is told") {
    for (const char* body : {"", " ", "garbage", "<html></html>", "{", "{}x", "[]", "null", "1",
                             "\"role\"", "{\"role\":\"primary\",}", "{'role': 'primary'}",
                             "{\"role\":\"\xff\",\"state\":\"running\"}"})
        CHECK(problem(body) == "the answer is no JSON object");
    for (const char* body :
         {"{}", R"({"state":"running"})", R"({"role":1,"state":"running"})",
          R"({"role":null,"state":"running"})", R"({"role":["primary"],"state":"running"})",
          R"({"role":"","state":"running"})", R"({"x":{"role":"primary"},"state":"running"})"})
        CHECK(problem(body) == "the answer names no role");
    CHECK(problem(R"({"role":"primary"})") == "the answer names no state");
    CHECK(problem(R"({"role":"primary","state":{}})") == "the answer names no state");
}

TEST_CASE("Patroni's answer: its words are short and printable") {
    CHECK(problem(R"({"role":"a\nb","state":"running"})") == "the answer names no role");
    CHECK(problem(R"({"role":"a\u0000","state":"running"})") == "the answer names no role");
    CHECK(problem(R"({"role":"primary","state":"\u001b[2J"})") == "the answer names no state");
    CHECK(problem(R"({"role":"prim\u00e4r","state":"running"})") == "the answer names no role");
    const std::string longest(40, 'x');
    CHECK(good(R"({"role":"r","state":")" + longest + "\"}").state == longest);
    CHECK(problem(R"({"role":"r","state":")" + longest + "x\"}") == "the answer names no state");
}

TEST_CASE("Patroni's answer: a timeline that is none is unknown") {
    const auto timeline = [](const std::string& text) {
        return good(R"({"role":"r","state":"s","timeline":)" + text + "}").timeline;
    };
    CHECK(timeline("1") == 1);
    CHECK(timeline("4294967295") == 4294967295);
    for (const char* text : {"4294967296", "-1", "1.5", "\"3\"", "null", "[]", "1e4", "0",
                             "99999999999999999999999999"})
        CHECK(timeline(text) == 0);
}

TEST_CASE("Patroni's answer: deep nesting is no deeper stack") {
    const std::string deep =
        R"({"role":"r","state":"s","x":)" + std::string(30000, '[') + std::string(30000, ']') + "}";
    CHECK(good(deep).role == "r");
    CHECK(problem(std::string(60000, '[')) == "the answer is no JSON object");
}

TEST_CASE("Patroni's answer: no part and no change of one does harm") {
    for (size_t size = 0; size < kPrimary.size(); ++size)
        CHECK_FALSE(read_patroni_answer(kPrimary.substr(0, size)));
    Prng random(7);
    for (int i = 0; i < 5000; ++i) {
        std::string body(kPrimary);
        for (uint64_t changes = 1 + random.below(4); changes > 0; --changes)
            body[random.below(body.size())] = static_cast<char>(random.below(256));
        const auto answer = read_patroni_answer(body);
        if (!answer) continue;
        for (const char c : to_text(*answer))
            REQUIRE((c >= ' ' && c <= '~'));
    }
}

}  // namespace weir::patroni_answer_test
