// Goal: every packet that can open a connection is understood, every other one is refused with the
// wording clients of PgBouncer know, and a newer protocol is negotiated down.
// Method: packets made by hand and by the writers, each also cut at every byte; random bytes.
#include "protocol/message/startup.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "protocol/base/random.h"
#include "protocol/message/types.h"

namespace weir::startup_test {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
using Kind = StartupPacket::Kind;
using std::string_literals::operator""s;

constexpr std::string_view kBadLayout =
    "invalid startup packet layout: expected terminator as last byte";

std::string packet(uint32_t code, std::string_view rest) {
    std::string out(8, '\0');
    auto* at = reinterpret_cast<uint8_t*>(out.data());
    store_be32(at, static_cast<uint32_t>(8 + rest.size()));
    store_be32(at + 4, code);
    return out.append(rest);
}

Result<StartupPacket> parse(const std::string& bytes) {
    return parse_startup_packet(as_bytes(bytes));
}

// The error of a packet that must be refused.
Error error_of(const std::string& bytes) {
    const auto parsed = parse(bytes);
    REQUIRE_FALSE(parsed.has_value());
    return parsed.error();
}

TEST_CASE("a start-up message gives its version and parameters in order") {
    const std::string bytes = packet(kProtocol30, "user\0bob\0database\0shop\0empty\0\0\0"s);
    const auto parsed = parse(bytes);
    REQUIRE(parsed.has_value());
    CHECK(parsed->kind == Kind::Startup);
    CHECK(parsed->version == kProtocol30);
    REQUIRE(parsed->parameters.size() == 3);
    CHECK(parsed->parameters[0].first == "user");
    CHECK(parsed->find("user") == "bob");
    CHECK(parsed->find("database") == "shop");
    CHECK(parsed->has("empty"));
    CHECK(parsed->find("empty").empty());
    CHECK_FALSE(parsed->has("options"));
    CHECK(parsed->find("options").empty());
}

TEST_CASE("the last of two equal parameters counts") {
    const std::string bytes = packet(kProtocol30, "user\0a\0user\0b\0\0"s);
    CHECK(parse(bytes)->find("user") == "b");
}

TEST_CASE("a start-up message without parameters is well formed") {
    const auto parsed = parse(packet(kProtocol30, "\0"s));
    REQUIRE(parsed.has_value());
    CHECK(parsed->parameters.empty());
}

TEST_CASE("the encryption requests are told apart and have no body") {
    CHECK(parse(packet(kSslRequestCode, ""))->kind == Kind::SslRequest);
    CHECK(parse(packet(kGssEncRequestCode, ""))->kind == Kind::GssEncRequest);
    for (const uint32_t code : {kSslRequestCode, kGssEncRequestCode}) {
        const Error error = error_of(packet(code, "x"));
        CHECK(error.sqlstate == "08P01");
        CHECK(error.message == "invalid length of encryption request");
    }
}

TEST_CASE("a cancel request carries process id and secret") {
    const std::string bytes = make_cancel_request(CancelKey::of_word(0x0102030405060708));
    CHECK(bytes == packet(kCancelRequestCode, "\1\2\3\4\5\6\7\10"));
    const auto parsed = parse(bytes);
    REQUIRE(parsed.has_value());
    CHECK(parsed->kind == Kind::Cancel);
    CHECK(parsed->cancel_key.word() == 0x0102030405060708);
    for (const size_t secret : {4, 5, 32, 256}) {
        const auto longer = parse(packet(kCancelRequestCode, std::string(4 + secret, 'k')));
        REQUIRE(longer.has_value());
        CHECK(longer->cancel_key.process_id == 0x6b6b6b6b);
        CHECK(longer->cancel_key.secret == std::string(secret, 'k'));
    }
    for (const size_t length : {0, 1, 4, 7, 261, 300}) {
        const Error error = error_of(packet(kCancelRequestCode, std::string(length, 'k')));
        CHECK(error.sqlstate == "08P01");
        CHECK(error.message == "invalid length of cancel request");
    }
}

TEST_CASE("a protocol that is not 3 is refused as unsupported") {
    const Error two = error_of(packet(0x00020000, "user\0bob\0\0"s));
    CHECK(two.sqlstate == "08P01");
    CHECK(two.message == "old V2 protocol not supported");
    CHECK(error_of(packet(0x00040001, "\0"s)).message ==
          "unsupported frontend protocol 4.1: server supports 3.0 to 3.2");
    CHECK(error_of(packet(0, "")).sqlstate == "0A000");
    CHECK(error_of(packet(80877101, "")).sqlstate == "0A000");
}

TEST_CASE("a newer minor version or a protocol option is negotiated") {
    CHECK_FALSE(negotiate(*parse(packet(kProtocol30, "user\0a\0\0"s))).needed);
    for (const uint32_t minor : {1U, 2U, 9999U, 0xffffU}) {
        const auto parsed = parse(packet(kProtocol30 | minor, "user\0a\0\0"s));
        REQUIRE(parsed.has_value());
        CHECK(parsed->version == (kProtocol30 | minor));
        const Negotiation negotiation = negotiate(*parsed);
        CHECK(negotiation.needed == (minor != 2));
        CHECK(negotiation.version == (minor == 1 ? kProtocol30 : kProtocol32));
        CHECK(negotiation.unknown_options.empty());
    }
    const std::string bytes =
        packet(kProtocol30, "user\0a\0_pq_.one\0on\0_pq_x\0\0_pq_.\0two\0\0"s);
    const auto parsed = parse(bytes);
    REQUIRE(parsed.has_value());
    const Negotiation negotiation = negotiate(*parsed);
    CHECK(negotiation.needed);
    CHECK(negotiation.version == kProtocol30);
    REQUIRE(negotiation.unknown_options.size() == 2);
    CHECK(negotiation.unknown_options[0] == "_pq_.one");
    CHECK(negotiation.unknown_options[1] == "_pq_.");
}

TEST_CASE("a layout without the terminator at its end is refused") {
    for (const std::string& rest :
         {""s, "user"s, "user\0"s, "user\0bob"s, "user\0bob\0"s, "user\0bob\0\0x"s, "\0\0"s,
          "user\0bob\0\0user\0bob\0\0"s, "user\0bob\0database\0\0"s}) {
        const Error error = error_of(packet(kProtocol30, rest));
        CHECK(error.sqlstate == "08P01");
        CHECK(error.message == kBadLayout);
    }
}

TEST_CASE("every truncation of a packet is refused") {
    const std::string startup = make_startup_message({{"user", "u"}, {"database", "d"}});
    const std::string cancel = make_cancel_request(CancelKey::of_word(77));
    const std::string ssl = packet(kSslRequestCode, "");
    for (const std::string* whole : {&startup, &cancel, &ssl}) {
        CHECK(parse(*whole).has_value());
        for (size_t bytes = 0; bytes < whole->size(); ++bytes) {
            CHECK_FALSE(parse(whole->substr(0, bytes)).has_value());
        }
    }
}

TEST_CASE("the length word is judged as soon as it is there") {
    const auto bytes_of = [](uint32_t length, size_t present) {
        std::string bytes(4, '\0');
        store_be32(reinterpret_cast<uint8_t*>(bytes.data()), length);
        bytes.resize(present, 'x');
        return startup_packet_bytes(as_bytes(bytes));
    };
    for (size_t present = 0; present < 4; ++present) {
        CHECK(*bytes_of(0xffffffff, present) == 0);
    }
    for (const uint32_t length : {8U, 9U, 50U, kStartupPacketBytesMax}) {
        CHECK(*bytes_of(length, 4) == length);
        CHECK(*bytes_of(length, 60) == length);
    }
    for (const uint32_t length :
         {0U, 1U, 7U, kStartupPacketBytesMax + 1, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
        const auto answer = bytes_of(length, 4);
        REQUIRE_FALSE(answer.has_value());
        CHECK(answer.error().sqlstate == "08P01");
    }
}

TEST_CASE("what the writer makes is read back") {
    const Pairs pairs{{"user", "bob"}, {"database", ""}, {"TimeZone", "Europe/Zürich"}};
    const std::string bytes = make_startup_message(pairs);
    CHECK(*startup_packet_bytes(as_bytes(bytes)) == bytes.size());
    const auto parsed = parse(bytes);
    REQUIRE(parsed.has_value());
    REQUIRE(parsed->parameters.size() == pairs.size());
    for (size_t i = 0; i < pairs.size(); ++i) {
        CHECK(parsed->parameters[i].first == pairs[i].first);
        CHECK(parsed->parameters[i].second == pairs[i].second);
    }
}

TEST_CASE("random packets never misbehave") {
    Prng prng(4);
    for (int round = 0; round < 50'000; ++round) {
        std::string rest(prng.below(40), '\0');
        for (char& c : rest)
            c = prng.chance(30) ? '\0' : static_cast<char>(prng.next());
        static constexpr uint32_t kCodes[] = {kProtocol30, kProtocol30 + 2, kCancelRequestCode,
                                              kSslRequestCode, kGssEncRequestCode};
        std::string bytes = packet(kCodes[prng.below(5)], rest);
        bytes.shrink_to_fit();
        const auto parsed = parse(bytes);
        if (!parsed) {
            if (parsed.error().sqlstate != "08P01") FAIL("wrong sqlstate");
            continue;
        }
        for (const auto& [name, value] : parsed->parameters) {
            if (name.empty()) FAIL("an empty name");
        }
    }
}

TEST_CASE("all ways to write a setting in options are understood") {
    const auto options = [](std::string_view text) {
        const auto parsed = parse_startup_options(text);
        return parsed ? *parsed : Pairs{{"error", parsed.error().message}};
    };
    const Pairs one{{"a", "b"}};
    CHECK(options("-c a=b") == one);
    CHECK(options("-ca=b") == one);
    CHECK(options("--a=b") == one);
    CHECK(options("  -c \t a=b \n") == one);
    CHECK(options("\v-c\fa=b\r") == one);
    CHECK(options("").empty());
    CHECK(options(" \t ").empty());
    CHECK(options("--a-b-c=d-e") == Pairs{{"a_b_c", "d-e"}});
    CHECK(options("-c a= -c b==") == Pairs{{"a", ""}, {"b", "="}});
    CHECK(options("-c a=b -cc=d --e=f") == Pairs{{"a", "b"}, {"c", "d"}, {"e", "f"}});
    CHECK(options("-c a=b -c a=c") == Pairs{{"a", "b"}, {"a", "c"}});
    CHECK(options("-c search_path=x\\,\\ y") == Pairs{{"search_path", "x, y"}});
    CHECK(options("-c a=\\\\") == Pairs{{"a", "\\"}});
    CHECK(options("-c\\ a=b") == Pairs{{" a", "b"}});
    CHECK(options("\\-c a=b") == one);
}

TEST_CASE("anything else in options is refused") {
    for (const std::string_view text :
         {"-c", "-c a=b -c", "-c a", "-ca", "--a", "--", "--=b", "-c =b", "-d a=b", "a=b", "-",
          "-C a=b", "-c a=b x", "\\"}) {
        const auto parsed = parse_startup_options(text);
        REQUIRE_MESSAGE(!parsed.has_value(), text);
        CHECK(parsed.error().sqlstate == "08P01");
        CHECK(parsed.error().message ==
              "unsupported options startup parameter: only '-c config=val' and '--config=val' are "
              "allowed");
    }
}

TEST_CASE("the word of the parameter replication") {
    const auto word = [](std::string_view value) {
        const auto parsed = parse_replication(value);
        return parsed ? std::string(to_string(*parsed)) : parsed.error().message;
    };
    CHECK(word("database") == "logical");
    for (const char* value : {"true", "on", "yes", "1", "TRUE", "t", "y", "Yes", "tr"})
        CHECK_MESSAGE(word(value) == "physical", value);
    for (const char* value : {"false", "off", "no", "0", "f", "n", "of", "OFF"})
        CHECK_MESSAGE(word(value) == "none", value);
    for (const char* value : {"", "o", "maybe", "DATABASE", "11", "truee", "database "}) {
        CHECK(word(value) ==
              "invalid value for parameter \"replication\": \"" + std::string(value) + "\"");
        CHECK(parse_replication(value).error().sqlstate == "22023");
    }
}

TEST_CASE("random options text never misbehaves") {
    Prng prng(5);
    constexpr std::string_view kLetters = "-c=a\\ \t'_b";
    for (int round = 0; round < 50'000; ++round) {
        std::string text(prng.below(24), ' ');
        for (char& c : text)
            c = kLetters[prng.below(kLetters.size())];
        const auto parsed = parse_startup_options(text);
        if (!parsed) continue;
        for (const auto& [name, value] : *parsed) {
            if (name.empty()) FAIL(text);
        }
    }
}

}  // namespace
}  // namespace weir::startup_test
