// Goal: only an answer of two columns and at most one row, about the user who was asked for, tells
// a secret. Method: messages in, verdict out.
#include "proxy/auth/secret_result.h"

#include <doctest/doctest.h>

#include "conf/limits.h"
#include "protocol/message/writer.h"

namespace weir::secret_result_test {
namespace {

std::string columns(size_t count) {
    std::string out;
    write_row_description(out, std::vector<Column>(count, Column{.name = "c"}));
    return out;
}

std::string row(std::vector<const char*> values) {
    std::vector<std::string> texts;
    for (const char* value : values)
        texts.emplace_back(value == nullptr ? "" : value);
    std::vector<const std::string*> pointers;
    for (size_t i = 0; i < values.size(); ++i)
        pointers.push_back(values[i] == nullptr ? nullptr : &texts[i]);
    std::string out;
    write_data_row(out, pointers);
    return out;
}

// What is found of "jane" in these messages.
std::string found(const std::vector<std::string>& messages) {
    SecretResult result;
    for (const std::string& message : messages)
        result.on_message(static_cast<BackendTag>(message[0]), as_bytes(message).subspan(5));
    const Result<UserSecret> secret = result.take("jane");
    if (!secret) return "error: " + secret.error().message;
    if (!secret->is_known) return "unknown";
    CHECK_FALSE(secret->may_be_stale);
    return "secret: " + std::string(secret->secret.view());
}

TEST_CASE("one row of two columns tells the secret, none that there is no such user") {
    CHECK(found({columns(2), row({"jane", "md5x"})}) == "secret: md5x");
    CHECK(found({columns(2)}) == "unknown");
    CHECK(found({columns(2), row({"jane", nullptr})}) == "secret: ");
}

TEST_CASE("any other answer is none") {
    CHECK(found({}) == "error: unexpected response from auth_query");
    CHECK(found({columns(1), row({"jane"})}) == "error: expected 2 columns from auth_query, not 1");
    CHECK(found({columns(3), row({"jane", "a", "b"})}) ==
          "error: expected 2 columns from auth_query, not 3");
    CHECK(found({columns(2), row({nullptr, "x"})}) ==
          "error: auth_query response contained null user name");
    CHECK(found({columns(2), row({"joe", "x"})}) ==
          "error: auth_query was asked for \"jane\" and answered \"joe\"");
    CHECK(found({columns(2), row({"jane", "x"}), row({"jane", "x"})}) ==
          "error: auth_query returned more than one row");
    CHECK(found({columns(2), row({"jane"})}) == "error: unexpected response from auth_query");
    const std::string cut = row({"jane", "secret"});
    CHECK(found({columns(2), cut.substr(0, cut.size() - 1)}) ==
          "error: unexpected response from auth_query");
    const std::string big(kPasswordBytesMax + 1, 'x');
    CHECK(found({columns(2), row({"jane", big.c_str()})}) ==
          "error: the secret in the response from auth_query is too long");
    std::string no_data, error;
    write_empty(no_data, BackendTag::NoData);
    CHECK(found({no_data}) == "error: expected 2 columns from auth_query, not 0");
    write_error(error, {.sqlstate = "42P01", .message = "no such table"});
    CHECK(found({error}) == "error: error response from auth_query: ERROR 42P01: no such table");
    CHECK(found({columns(2), row({"jane", "x"}), error}).starts_with("error: error response"));
}

}  // namespace
}  // namespace weir::secret_result_test
