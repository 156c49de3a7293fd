// Goal: md5 secrets and responses are those of PostgreSQL, and nothing malformed verifies.
// Method: values computed with Python's hashlib.
#include "protocol/auth/md5.h"

#include <doctest/doctest.h>

#include <array>

namespace weir::auth_md5_test {
namespace {

constexpr std::array<uint8_t, 4> kSalt = {1, 2, 3, 255};
constexpr std::string_view kAlice = "md54a0a68b43b6cd5cf266fa02f196e2371";  // password "secret"
constexpr std::string_view kAnswer = "md55f0388cdae34fff99488f7c4c4a91735";

TEST_CASE("an md5 secret is md5 of password and user") {
    CHECK(md5_secret("secret", "alice") == kAlice);
    CHECK(md5_secret("", "") == "md5d41d8cd98f00b204e9800998ecf8427e");
    CHECK(md5_secret("p\xC3\xA4ssw\xC3\xB6rd", "bob") == "md5bb5b6f9e439bdbcffdd12e0ca6e0f232");
}

TEST_CASE("an md5 response hashes the secret's digits with the salt") {
    CHECK(md5_response(kAlice, kSalt) == kAnswer);
    CHECK(md5_response("secret", kSalt).empty());
    CHECK(md5_response("", kSalt).empty());
}

TEST_CASE("only the right response verifies") {
    CHECK(md5_verify(kAlice, kSalt, kAnswer));
    constexpr std::array<uint8_t, 4> other_salt = {1, 2, 3, 4};
    CHECK_FALSE(md5_verify(kAlice, other_salt, kAnswer));
    CHECK_FALSE(md5_verify(md5_secret("Secret", "alice"), kSalt, kAnswer));
    CHECK_FALSE(md5_verify("secret", kSalt, ""));
    CHECK_FALSE(md5_verify("", kSalt, ""));
    CHECK_FALSE(md5_verify(kAlice, kSalt, kAlice));
    for (size_t length = 0; length < kAnswer.size(); ++length) {
        CHECK_FALSE(md5_verify(kAlice, kSalt, kAnswer.substr(0, length)));
    }
    CHECK_FALSE(md5_verify(kAlice, kSalt, std::string(kAnswer) + '\0'));
}

}  // namespace
}  // namespace weir::auth_md5_test
