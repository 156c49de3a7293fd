// Goal: FrameParser cuts a byte stream into the same messages however it arrives, copies nothing,
// and refuses every header that cannot be followed.
// Method: messages of every known type are fed whole, byte by byte, and in seeded random pieces;
// what comes out, joined per message, is compared. Headers are tried at their limits.
#include "protocol/message/frame.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "protocol/base/random.h"

namespace weir::frame_test {
namespace {

constexpr std::string_view kClientTags = "BCDEFHPQSXcdfp";
constexpr std::string_view kServerTags = "RK23CWdcGHDIEVvnNAtS1sZT";

std::string message(char tag, std::string_view body) {
    std::string out(5, '\0');
    out[0] = tag;
    store_be32(reinterpret_cast<uint8_t*>(out.data()) + 1, static_cast<uint32_t>(body.size() + 4));
    return out.append(body);
}

std::string header(char tag, uint32_t length) {
    std::string out = message(tag, "");
    store_be32(reinterpret_cast<uint8_t*>(out.data()) + 1, length);
    return out;
}

// What a stream was cut into; `bytes` is joined over the pieces of a message.
struct Message {
    uint8_t tag = 0;
    uint32_t length = 0;
    std::string bytes;
    friend bool operator==(const Message&, const Message&) = default;
};

struct Parsed {
    std::vector<Message> messages;
    bool is_malformed = false;
    bool is_mid_message = false;
    size_t left = 0;  // bytes of a header that is not complete
    friend bool operator==(const Parsed&, const Parsed&) = default;
};

class Feeder {
  public:
    explicit Feeder(Direction direction) : parser_(direction) {}
    FrameParser& parser() { return parser_; }

    void feed(std::string_view chunk) {
        held_.append(chunk);
        size_t used = 0;
        while (!parsed_.is_malformed) {
            const Piece piece = parser_.peek(as_bytes(held_).subspan(used));
            if (piece.kind == Piece::Kind::NeedMore) break;
            if (piece.kind == Piece::Kind::Malformed) {
                parsed_.is_malformed = true;
                break;
            }
            if (piece.kind == Piece::Kind::Start) {
                parsed_.messages.push_back({piece.tag, piece.length, {}});
            } else {
                CHECK(piece.tag == parsed_.messages.back().tag);
            }
            parsed_.messages.back().bytes.append(as_text(piece.bytes));
            parser_.consume(piece);
            used += piece.bytes.size();
        }
        held_.erase(0, used);
    }
    Parsed result() {
        parsed_.is_mid_message = parser_.is_mid_message();
        parsed_.left = held_.size();
        return parsed_;
    }

  private:
    FrameParser parser_;
    std::string held_;
    Parsed parsed_;
};

Parsed feed_whole(Direction direction, std::string_view stream) {
    Feeder feeder(direction);
    feeder.feed(stream);
    return feeder.result();
}

Parsed feed_bytes(Direction direction, std::string_view stream) {
    Feeder feeder(direction);
    for (const char& c : stream)
        feeder.feed({&c, 1});
    return feeder.result();
}

Parsed feed_random(Direction direction, std::string_view stream, Prng& prng) {
    Feeder feeder(direction);
    while (!stream.empty()) {
        const size_t bytes = 1 + prng.below(std::min<size_t>(stream.size(), 40));
        feeder.feed(stream.substr(0, bytes));
        stream.remove_prefix(bytes);
    }
    return feeder.result();
}

std::string random_stream(std::string_view tags, Prng& prng) {
    std::string stream;
    for (uint64_t left = 1 + prng.below(12); left > 0; --left) {
        std::string body(prng.chance(20) ? 0 : prng.below(90), '\0');
        for (char& c : body)
            c = static_cast<char>(prng.next());
        stream += message(tags[prng.below(tags.size())], body);
    }
    return stream;
}

TEST_CASE("exactly the types of protocol 3.0 are known in each direction") {
    for (int tag = 0; tag < 256; ++tag) {
        const auto byte = static_cast<uint8_t>(tag);
        const char c = static_cast<char>(tag);
        CHECK(is_known_tag(Direction::FromClient, byte) ==
              (kClientTags.find(c) != std::string_view::npos));
        CHECK(is_known_tag(Direction::FromServer, byte) ==
              (kServerTags.find(c) != std::string_view::npos));
    }
}

TEST_CASE("every message is cut alike whole, byte by byte and in random pieces") {
    Prng prng(1);
    for (const Direction direction : {Direction::FromClient, Direction::FromServer}) {
        const std::string_view tags =
            direction == Direction::FromClient ? kClientTags : kServerTags;
        for (const char tag : tags) {
            for (const size_t bytes : {0, 1, 4, 5, 300}) {
                const std::string stream = message(tag, std::string(bytes, 'x'));
                const Parsed whole = feed_whole(direction, stream);
                REQUIRE(whole.messages.size() == 1);
                CHECK(whole.messages[0].tag == static_cast<uint8_t>(tag));
                CHECK(whole.messages[0].length == bytes + 4);
                CHECK(whole.messages[0].bytes == stream);
                CHECK_FALSE(whole.is_mid_message);
                CHECK(feed_bytes(direction, stream) == whole);
                CHECK(feed_random(direction, stream, prng) == whole);
            }
        }
    }
}

TEST_CASE("random streams are cut alike however they arrive, cut off or not") {
    Prng prng(2);
    for (int round = 0; round < 400; ++round) {
        const bool is_client = prng.chance(50);
        const Direction direction = is_client ? Direction::FromClient : Direction::FromServer;
        std::string stream = random_stream(is_client ? kClientTags : kServerTags, prng);
        if (prng.chance(50)) stream.resize(prng.below(stream.size() + 1));
        const Parsed whole = feed_whole(direction, stream);
        CHECK_FALSE(whole.is_malformed);
        CHECK(feed_bytes(direction, stream) == whole);
        CHECK(feed_random(direction, stream, prng) == whole);
    }
}

TEST_CASE("random bytes are refused at the same message however they arrive") {
    Prng prng(3);
    for (int round = 0; round < 2000; ++round) {
        const bool is_client = prng.chance(50);
        const Direction direction = is_client ? Direction::FromClient : Direction::FromServer;
        std::string stream = random_stream(is_client ? kClientTags : kServerTags, prng);
        for (uint64_t left = 1 + prng.below(3); left > 0; --left)
            stream[prng.below(stream.size())] = static_cast<char>(prng.next());
        const Parsed whole = feed_whole(direction, stream);
        const Parsed bytes = feed_bytes(direction, stream);
        CHECK(bytes.messages == whole.messages);
        CHECK(bytes.is_malformed == whole.is_malformed);
        CHECK(feed_random(direction, stream, prng).messages == whole.messages);
    }
}

TEST_CASE("a length below four, negative or above the limit is malformed") {
    for (const uint32_t length : {0U, 1U, 2U, 3U, 0x80000000U, 0xfffffffcU, 0xffffffffU}) {
        CHECK(feed_whole(Direction::FromClient, header('Q', length)).is_malformed);
        CHECK(feed_whole(Direction::FromServer, header('D', length)).is_malformed);
    }
    FrameParser parser(Direction::FromClient);
    CHECK(parser.peek(as_bytes(header('Q', 0x7fffffff))).kind == Piece::Kind::Start);
    parser.set_length_max(1000);
    CHECK(parser.peek(as_bytes(header('Q', 1000))).kind == Piece::Kind::Start);
    CHECK(parser.peek(as_bytes(header('Q', 1001))).kind == Piece::Kind::Malformed);
    CHECK(parser.peek(as_bytes(header('Q', 4))).is_complete());
}

TEST_CASE("an unknown type is malformed from its first byte on") {
    for (int tag = 0; tag < 256; ++tag) {
        for (const Direction direction : {Direction::FromClient, Direction::FromServer}) {
            const std::string whole = message(static_cast<char>(tag), "12345678");
            const bool is_known = is_known_tag(direction, static_cast<uint8_t>(tag));
            for (size_t bytes = 1; bytes <= whole.size(); ++bytes) {
                const Parsed parsed = feed_whole(direction, whole.substr(0, bytes));
                CHECK(parsed.is_malformed == !is_known);
            }
        }
    }
}

TEST_CASE("a header that is not complete asks for more") {
    const std::string whole = message('Q', "select");
    FrameParser parser(Direction::FromClient);
    for (size_t bytes = 0; bytes < 5; ++bytes) {
        CHECK(parser.peek(as_bytes(whole).first(bytes)).kind == Piece::Kind::NeedMore);
    }
    const Piece piece = parser.peek(as_bytes(whole).first(5));
    CHECK(piece.kind == Piece::Kind::Start);
    CHECK_FALSE(piece.is_complete());
    CHECK(piece.total_bytes() == whole.size());
    CHECK(piece.body().empty());
}

TEST_CASE("a message that is left unconsumed grows until it is complete") {
    const std::string whole = message('P', "name\0text\0\0\0") + "Q";
    FrameParser parser(Direction::FromClient);
    const size_t total = whole.size() - 1;
    for (size_t bytes = 5; bytes <= whole.size(); ++bytes) {
        const Piece piece = parser.peek(as_bytes(whole).first(bytes));
        CHECK(piece.kind == Piece::Kind::Start);
        CHECK(piece.bytes.data() == as_bytes(whole).data());
        CHECK(piece.bytes.size() == std::min(bytes, total));
        CHECK(piece.is_complete() == (bytes >= total));
        CHECK_FALSE(parser.is_mid_message());
    }
}

TEST_CASE("reset forgets the rest of a message") {
    FrameParser parser(Direction::FromServer);
    const std::string whole = message('D', "0123456789");
    parser.consume(parser.peek(as_bytes(whole).first(8)));
    CHECK(parser.is_mid_message());
    CHECK(parser.peek({}).kind == Piece::Kind::NeedMore);
    parser.reset();
    CHECK_FALSE(parser.is_mid_message());
    CHECK(parser.peek(as_bytes(whole)).is_complete());
}

}  // namespace
}  // namespace weir::frame_test
