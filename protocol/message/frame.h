// Incremental, zero-copy framing of typed messages, for either direction.
//
// A FrameParser looks at the bytes at hand and names the next piece: the start of a message (with
// as much of its body as is there) or more of a body that began earlier. The caller decides how
// much of the piece to use and tells so with consume(); a caller that needs a whole message leaves
// it until it is complete. Nothing is copied and nothing is kept but a counter.
//
//   while (true) {
//       const Piece piece = parser.peek(input.subspan(pos));
//       if (piece.kind == Piece::Kind::NeedMore || piece.kind == Piece::Kind::Malformed) break;
//       ... use piece.bytes ...
//       parser.consume(piece); pos += piece.bytes.size();
//   }
//
// Thread: that of the owner.
#pragma once

#include <cstdint>

#include "protocol/base/bytes.h"
#include "protocol/message/types.h"

namespace weir {

enum class Direction : uint8_t { FromClient, FromServer };

struct Piece {
    enum class Kind : uint8_t {
        NeedMore,   // fewer than five bytes: not even a header
        Start,      // a message begins here; bytes = header and what is there of the body
        Body,       // more of the body of the message begun earlier
        Malformed,  // unknown type, or a length below 4 or above the limit: the stream cannot be
                    // followed
    };
    Kind kind = Kind::NeedMore;
    uint8_t tag = 0;
    uint32_t length = 0;  // as on the wire: body bytes + 4
    ByteView bytes;

    // All of the message is in bytes (Start only).
    [[nodiscard]] bool is_complete() const { return bytes.size() == total_bytes(); }
    [[nodiscard]] size_t total_bytes() const { return size_t{length} + 1; }
    [[nodiscard]] ByteView body() const { return bytes.subspan(kFrameHeaderBytes); }
};

// True for a message type that protocol 3.0 knows in that direction.
bool is_known_tag(Direction direction, uint8_t tag);

class FrameParser {
  public:
    explicit FrameParser(Direction direction) : direction_(direction) {}

    // Messages longer than this (length field) are Malformed.
    void set_length_max(uint32_t bytes) { length_max_ = bytes; }

    [[nodiscard]] Piece peek(ByteView input) const {
        Piece piece;
        if (body_left_ > 0) {
            if (input.empty()) return piece;
            piece.kind = Piece::Kind::Body;
            piece.tag = tag_;
            piece.bytes = input.first(input.size() < body_left_ ? input.size() : body_left_);
            return piece;
        }
        if (input.size() < kFrameHeaderBytes) {
            if (!input.empty() && !is_known_tag(direction_, input[0]))
                piece.kind = Piece::Kind::Malformed;
            return piece;
        }
        piece.tag = input[0];
        piece.length = load_be32(input.data() + 1);
        if (piece.length < 4 || piece.length > length_max_ ||
            !is_known_tag(direction_, piece.tag)) {
            piece.kind = Piece::Kind::Malformed;
            return piece;
        }
        piece.kind = Piece::Kind::Start;
        const size_t total = piece.total_bytes();
        piece.bytes = input.first(input.size() < total ? input.size() : total);
        return piece;
    }

    // The caller has used all bytes of `piece` (as peek gave it).
    void consume(const Piece& piece) {
        if (piece.kind == Piece::Kind::Start) {
            tag_ = piece.tag;
            body_left_ = piece.total_bytes() - piece.bytes.size();
        } else {
            body_left_ -= piece.bytes.size();
        }
    }

    // In the middle of a message whose beginning has been consumed.
    [[nodiscard]] bool is_mid_message() const { return body_left_ > 0; }
    // Bytes of the message that is passing which are still to come.
    [[nodiscard]] size_t body_left() const { return body_left_; }
    void reset() { body_left_ = 0; }

    // Where it is in its stream, for another process that goes on reading it.
    struct Position {
        uint8_t tag = 0;
        uint64_t body_left = 0;
    };
    [[nodiscard]] Position position() const { return {tag_, body_left_}; }
    void set_position(const Position& position) {
        tag_ = position.tag;
        body_left_ = position.body_left;
    }

  private:
    size_t body_left_ = 0;
    uint32_t length_max_ = 0x7fffffff;
    uint8_t tag_ = 0;
    Direction direction_;
};

}  // namespace weir
