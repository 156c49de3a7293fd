// Goal: stored secrets are read exactly, rejected when damaged, and classified as PostgreSQL does.
// Method: known values (computed with Python's hashlib, and RFC 4648's base64 examples), and every
// one-character damage of a good verifier.
#include "protocol/auth/secret.h"

#include <doctest/doctest.h>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "protocol/auth/base64.h"
#include "protocol/base/random.h"

namespace weir::auth_secret_test {
namespace {

// Password "pencil", salt and iterations of RFC 7677 §3.
constexpr std::string_view kPencil =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
constexpr std::string_view kKeys =
    "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

bool parses(const std::string& text) {
    return parse_scram_verifier(text).has_value();
}

TEST_CASE("base64 gives the examples of RFC 4648 in both directions") {
    const std::pair<std::string_view, std::string_view> examples[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [plain, encoded] : examples) {
        CHECK(base64_encode(as_bytes(plain)) == encoded);
        const auto decoded = base64_decode(encoded);
        REQUIRE(decoded.has_value());
        CHECK(as_text(*decoded) == plain);
    }
}

TEST_CASE("base64 decoding refuses everything but the canonical form") {
    for (const std::string_view bad :
         {"Z", "Zg", "Zg=", "Zg===", "=", "==", "====", "Zg==Zg==", "Zh==", "Zm9=", "Zm 9",
          "Zm9v\n", "Zm9-", "Zm9_", "Z=g=", "=Zg=", "Zm9v=", "Zm9v====", "\xff\xff\xff\xff"}) {
        CAPTURE(bad);
        CHECK_FALSE(base64_decode(bad).has_value());
    }
    CHECK_FALSE(base64_decode(std::string_view("Zm\0v", 4)).has_value());
}

TEST_CASE("base64 brings back random bytes of every length") {
    Prng random(1);
    std::vector<uint8_t> bytes;
    for (int length = 0; length < 200; ++length) {
        const auto decoded = base64_decode(base64_encode(bytes));
        REQUIRE(decoded.has_value());
        CHECK(*decoded == bytes);
        bytes.push_back(static_cast<uint8_t>(random.below(256)));
    }
}

TEST_CASE("constant-time comparison compares") {
    CHECK(constant_time_equal({}, {}));
    CHECK(constant_time_equal(as_bytes("abc"), as_bytes("abc")));
    CHECK_FALSE(constant_time_equal(as_bytes("abc"), as_bytes("abd")));
    CHECK_FALSE(constant_time_equal(as_bytes("abc"), as_bytes("ab")));
    CHECK_FALSE(constant_time_equal(as_bytes(""), as_bytes("a")));
}

TEST_CASE("a secret string copies, moves, assigns and wipes what it takes") {
    SecretString secret("hunter2");
    CHECK(secret.view() == "hunter2");
    SecretString copy = secret;
    CHECK(copy == secret);
    const SecretString moved = std::move(secret);
    CHECK(moved.view() == "hunter2");
    CHECK(secret.empty());  // NOLINT(bugprone-use-after-move): documented to be empty
    copy = SecretString("other");
    CHECK(copy.view() == "other");
    CHECK_FALSE(copy == moved);
    const SecretString& alias = copy;
    copy = alias;
    CHECK(copy.view() == "other");

    std::string text = "a long enough text to live on the heap, not inside the string";
    const char* bytes = text.data();
    const size_t size = text.size();
    const SecretString taken = SecretString::take(text);
    CHECK(taken.view().size() == size);
    CHECK(text.empty());
    CHECK(std::string_view(bytes, size) == std::string(size, '\0'));  // capacity is still text's
    CHECK(SecretString(std::string_view("a\0b", 3)).view().size() == 3);
}

TEST_CASE("a secret string cannot be turned into text by accident") {
    CHECK_FALSE(std::is_convertible_v<SecretString, std::string>);
    CHECK_FALSE(std::is_convertible_v<SecretString, std::string_view>);
    CHECK_FALSE(std::is_convertible_v<std::string, SecretString>);
}

TEST_CASE("a verifier made from a password is the one Python's hashlib computes") {
    const auto salt = base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
    REQUIRE(salt.has_value());
    const ScramVerifier verifier = make_scram_verifier("pencil", *salt, 4096);
    CHECK(format_scram_verifier(verifier) == kPencil);
    const auto parsed = parse_scram_verifier(kPencil);
    REQUIRE(parsed.has_value());
    CHECK(*parsed == verifier);
}

TEST_CASE("a verifier is made from the prepared password") {
    const auto salt = as_bytes("0123456789abcdef");
    CHECK(make_scram_verifier("pa\xCC\x88ss", salt, 2) ==
          make_scram_verifier("p\xC3\xA4ss", salt, 2));
    CHECK_FALSE(make_scram_verifier("pass", salt, 2) == make_scram_verifier("Pass", salt, 2));
    CHECK(make_scram_verifier("", salt, 1).iterations == 1);
}

TEST_CASE("a damaged verifier is refused") {
    const std::string keys(kKeys);
    CHECK(parses("SCRAM-SHA-256$1:QQ==" + keys));
    CHECK(parses("SCRAM-SHA-256$2147483647:QQ==" + keys));
    const std::vector<std::string> damaged = {
        std::string(),
        std::string("SCRAM-SHA-256"),
        std::string("SCRAM-SHA-256$"),
        "SCRAM-SHA-1$4096:QQ==" + keys,
        "scram-sha-256$4096:QQ==" + keys,
        " SCRAM-SHA-256$4096:QQ==" + keys,
        "SCRAM-SHA-256$:QQ==" + keys,
        "SCRAM-SHA-256$0:QQ==" + keys,
        "SCRAM-SHA-256$-1:QQ==" + keys,
        "SCRAM-SHA-256$+1:QQ==" + keys,
        "SCRAM-SHA-256$ 1:QQ==" + keys,
        "SCRAM-SHA-256$1x:QQ==" + keys,
        "SCRAM-SHA-256$2147483648:QQ==" + keys,
        "SCRAM-SHA-256$99999999999999999999:QQ==" + keys,
        "SCRAM-SHA-256$4096:" + keys,
        "SCRAM-SHA-256$4096:QR==" + keys,
        "SCRAM-SHA-256$4096:Q" + keys,
        "SCRAM-SHA-256$4096$QQ==" + keys,
        "SCRAM-SHA-256$4096:QQ==" + keys + "\n",
        "SCRAM-SHA-256$4096:QQ==" + keys + ":",
        "SCRAM-SHA-256$4096:QQ==" + keys + "$x",
        "SCRAM-SHA-256$4096:QQ==$QQ==:QQ==",
        "SCRAM-SHA-256$4096:" + base64_encode(std::vector<uint8_t>(1025)) + keys};
    for (const std::string& bad : damaged) {
        CAPTURE(bad);
        CHECK_FALSE(parses(bad));
    }
    const auto error = parse_scram_verifier("SCRAM-SHA-256$4096:hush");
    REQUIRE_FALSE(error.has_value());
    CHECK(error.error().sqlstate == std::string_view("22023"));
    CHECK(error.error().message.find("hush") == std::string::npos);
}

TEST_CASE("no verifier survives truncation, and whatever parses is written back the same") {
    for (size_t length = 0; length < kPencil.size(); ++length) {
        CHECK_FALSE(parses(std::string(kPencil.substr(0, length))));
    }
    Prng random(2);
    size_t parsed_count = 0;
    for (int i = 0; i < 50'000; ++i) {
        std::string text(kPencil);
        text[random.below(text.size())] = static_cast<char>(random.below(256));
        if (const auto verifier = parse_scram_verifier(text)) {
            ++parsed_count;
            if (format_scram_verifier(*verifier) != text) {
                CHECK(text.find("$0") != std::string::npos);  // "04096": a leading zero is harmless
            }
        }
        const SecretKind kind = classify_secret(text);
        REQUIRE((kind == SecretKind::Scram) == parses(text));
    }
    CHECK(parsed_count > 0);
}

TEST_CASE("secrets are classified as PostgreSQL does") {
    CHECK(classify_secret("") == SecretKind::Empty);
    CHECK(classify_secret("secret") == SecretKind::Plain);
    CHECK(classify_secret("md5") == SecretKind::Plain);
    CHECK(classify_secret("md54a0a68b43b6cd5cf266fa02f196e2371") == SecretKind::Md5);
    CHECK(classify_secret("md54a0a68b43b6cd5cf266fa02f196e237") == SecretKind::Plain);
    CHECK(classify_secret("md54a0a68b43b6cd5cf266fa02f196e23711") == SecretKind::Plain);
    CHECK(classify_secret("md54A0A68B43B6CD5CF266FA02F196E2371") == SecretKind::Plain);
    CHECK(classify_secret("MD54a0a68b43b6cd5cf266fa02f196e2371") == SecretKind::Plain);
    CHECK(classify_secret("md54a0a68b43b6cd5cf266fa02f196e237g") == SecretKind::Plain);
    CHECK(classify_secret(kPencil) == SecretKind::Scram);
    CHECK(classify_secret("SCRAM-SHA-256$broken") == SecretKind::Plain);
}

}  // namespace
}  // namespace weir::auth_secret_test
