// Goal: the views of server messages give what is there and nothing for a malformed body; no server
// can make them misbehave.
// Method: one good body of each kind and all its truncations, in buffers of exactly that size;
// random bytes.
#include "protocol/message/backend.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "protocol/base/random.h"

namespace weir::backend_test {
namespace {

using std::string_literals::operator""s;

std::vector<uint8_t> exact(std::string_view text) {
    std::vector<uint8_t> out(text.begin(), text.end());
    out.shrink_to_fit();
    return out;
}

TEST_CASE("an authentication request has a code and data") {
    CHECK(view_auth(as_bytes("\0\0\0\0"s))->request == 0);
    const std::string body = "\0\0\0\5salt"s;
    const auto md5 = view_auth(as_bytes(body));
    REQUIRE(md5);
    CHECK(md5->request == static_cast<int32_t>(AuthRequest::Md5Password));
    CHECK(as_text(md5->data) == "salt");
    CHECK(view_auth(as_bytes("\xff\xff\xff\xff"s))->request == -1);
    for (size_t bytes = 0; bytes < 4; ++bytes)
        CHECK_FALSE(view_auth(exact(std::string(bytes, '\0'))));
}

TEST_CASE("a ParameterStatus has a name and a value") {
    const std::string body = "TimeZone\0UTC\0"s;
    CHECK(view_parameter_status(as_bytes(body))->name == "TimeZone");
    CHECK(view_parameter_status(as_bytes(body))->value == "UTC");
    CHECK(view_parameter_status(as_bytes("a\0\0"s))->value.empty());
    for (size_t bytes = 0; bytes < body.size(); ++bytes)
        CHECK_FALSE(view_parameter_status(exact(body.substr(0, bytes))));
    CHECK_FALSE(view_parameter_status(as_bytes(body + "x")));
}

TEST_CASE("a BackendKeyData has a secret of 4 to 256 bytes") {
    const std::string body = "\1\2\3\4\5\6\7\10";
    CHECK(view_backend_key_data(as_bytes(body))->word() == 0x0102030405060708);
    for (size_t bytes = 0; bytes < 8; ++bytes)
        CHECK_FALSE(view_backend_key_data(exact(body.substr(0, bytes))));
    for (const size_t bytes : {5, 32, 255, 256}) {
        const std::string secret(bytes, 's');
        const auto key = view_backend_key_data(as_bytes("\1\2\3\4" + secret));
        REQUIRE(key.has_value());
        CHECK(key->process_id == 0x01020304);
        CHECK(key->secret == secret);
    }
    CHECK_FALSE(view_backend_key_data(as_bytes("\1\2\3\4" + std::string(257, 's'))));
}

TEST_CASE("a NegotiateProtocolVersion tells the version and how many options are unknown") {
    const auto whole = view_negotiation(as_bytes("\0\3\0\2\0\0\0\1_pq_.x\0"s));
    REQUIRE(whole.has_value());
    CHECK(whole->version == kProtocol32);
    CHECK(whole->unknown_options == 1);
    for (size_t bytes = 0; bytes < 8; ++bytes)
        CHECK_FALSE(view_negotiation(exact("\0\3\0\2\0\0\0\1"s.substr(0, bytes))));
}

TEST_CASE("a ReadyForQuery has one of three states") {
    for (int byte = 0; byte < 256; ++byte) {
        const std::string body(1, static_cast<char>(byte));
        const auto status = view_ready_for_query(as_bytes(body));
        CHECK(status.has_value() == (byte == 'I' || byte == 'T' || byte == 'E'));
        if (status) CHECK(static_cast<int>(*status) == byte);
    }
    CHECK_FALSE(view_ready_for_query({}));
    CHECK_FALSE(view_ready_for_query(as_bytes("II")));
}

TEST_CASE("a CommandComplete has a tag") {
    CHECK(*view_command_complete(as_bytes("SELECT 1\0"s)) == "SELECT 1");
    CHECK_FALSE(view_command_complete(as_bytes("SELECT 1")));
    CHECK_FALSE(view_command_complete(as_bytes("SELECT 1\0 "s)));
    CHECK_FALSE(view_command_complete({}));
}

TEST_CASE("an ErrorResponse gives its fields in any order") {
    const std::string body =
        "RRevalidateCachedQuery\0SFEHLER\0C0A000\0Mtext\0Ddetail\0Hhint\0VERROR\0Zunknown\0\0"s;
    const ErrorView view = view_error(as_bytes(body));
    CHECK(view.severity == "ERROR");
    CHECK(view.sqlstate == "0A000");
    CHECK(view.message == "text");
    CHECK(view.detail == "detail");
    CHECK(view.hint == "hint");
    CHECK(view.routine == "RevalidateCachedQuery");
}

TEST_CASE("the severity that is not localised wins wherever it stands") {
    CHECK(view_error(as_bytes("SFATALE\0VFATAL\0\0"s)).severity == "FATAL");
    CHECK(view_error(as_bytes("VFATAL\0SFATALE\0\0"s)).severity == "FATAL");
    CHECK(view_error(as_bytes("SFATAL\0\0"s)).severity == "FATAL");  // before PostgreSQL 9.6
}

TEST_CASE("an ErrorResponse without SQLSTATE or without anything has empty fields") {
    const std::string body = "SERROR\0Mtext\0\0"s;
    const ErrorView view = view_error(as_bytes(body));
    CHECK(view.sqlstate.empty());
    CHECK(view.sqlstate.data() != view.message.data());
    CHECK(view.message == "text");
    for (const std::string& nothing : {""s, "\0"s, "\0\0Mlate\0"s}) {
        const ErrorView empty = view_error(as_bytes(nothing));
        CHECK(empty.severity.empty());
        CHECK(empty.sqlstate.empty());
        CHECK(empty.message.empty());
    }
}

TEST_CASE("a truncated ErrorResponse gives the fields that are whole") {
    const std::string body = "SERROR\0C42601\0Msyntax error\0Rparse\0\0"s;
    for (size_t bytes = 0; bytes <= body.size(); ++bytes) {
        const std::vector<uint8_t> cut = exact(body.substr(0, bytes));
        const ErrorView view = view_error(cut);
        CHECK(view.severity == (bytes >= 7 ? "ERROR" : ""));
        CHECK(view.sqlstate == (bytes >= 14 ? "42601" : ""));
        CHECK(view.message == (bytes >= 28 ? "syntax error" : ""));
        CHECK(view.routine == (bytes >= 35 ? "parse" : ""));
    }
}

TEST_CASE("random bodies never misbehave") {
    Prng prng(7);
    size_t seen = 0;
    for (int round = 0; round < 200'000; ++round) {
        std::string text(prng.below(24), '\0');
        for (char& c : text) {
            const uint64_t pick = prng.below(4);
            c = pick == 0   ? '\0'
                : pick == 1 ? "SVCMDHR"[prng.below(7)]
                            : static_cast<char>(prng.next());
        }
        const std::vector<uint8_t> body = exact(text);
        const ErrorView error = view_error(body);
        for (const std::string_view field : {error.severity, error.sqlstate, error.message,
                                             error.detail, error.hint, error.routine}) {
            if (field.size() >= std::max<size_t>(body.size(), 1)) FAIL("a field too long");
            for (const char c : field)
                seen += c == '\0';
        }
        seen += view_auth(body).has_value() && body.size() < 4;
        seen += view_backend_key_data(body).has_value() && body.size() < 8;
        seen += view_ready_for_query(body).has_value() && body.size() != 1;
        if (const auto v = view_parameter_status(body))
            seen += v->name.size() + v->value.size() + 2 != body.size();
        if (const auto v = view_command_complete(body)) seen += v->size() + 1 != body.size();
    }
    CHECK(seen == 0);
}

}  // namespace
}  // namespace weir::backend_test
