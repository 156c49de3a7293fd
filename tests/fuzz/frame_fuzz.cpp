// Goal: FrameParser cuts any bytes, from either side, into the same messages however they arrive,
// and every piece lies within the input.
// Method: the first byte says which side, the second how the rest is cut; the pieces of the cut
// stream, joined, are compared with those of the whole one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "protocol/message/frame.h"

namespace weir {
namespace {

void require(bool condition) {
    if (!condition) __builtin_trap();
}

struct Cut {
    std::vector<std::string> messages;
    bool is_malformed = false;
};

// Feeds `stream` in chunks of `chunk` bytes, each in a block of its own.
Cut cut(Direction direction, ByteView stream, size_t chunk) {
    FrameParser parser(direction);
    parser.set_length_max(1 << 20);
    Cut out;
    std::string held;
    while (!stream.empty() && !out.is_malformed) {
        const size_t bytes = chunk < stream.size() ? chunk : stream.size();
        held.append(as_text(stream.first(bytes)));
        stream = stream.subspan(bytes);
        auto block = std::make_unique<uint8_t[]>(held.size());
        std::copy(held.begin(), held.end(), block.get());
        const ByteView input(block.get(), held.size());
        size_t used = 0;
        while (true) {
            const Piece piece = parser.peek(input.subspan(used));
            if (piece.kind == Piece::Kind::NeedMore) break;
            out.is_malformed = piece.kind == Piece::Kind::Malformed;
            if (out.is_malformed) break;
            require(piece.bytes.data() == input.data() + used);
            require(!piece.bytes.empty() && piece.bytes.size() <= input.size() - used);
            if (piece.kind == Piece::Kind::Start) {
                require(is_known_tag(direction, piece.tag));
                require(piece.length >= 4 && piece.length <= 1 << 20);
                out.messages.emplace_back();
            }
            out.messages.back().append(as_text(piece.bytes));
            parser.consume(piece);
            used += piece.bytes.size();
        }
        held.erase(0, used);
    }
    return out;
}

}  // namespace
}  // namespace weir

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace weir;
    if (size < 2) return 0;
    const Direction direction = data[0] % 2 == 0 ? Direction::FromClient : Direction::FromServer;
    const ByteView stream(data + 2, size - 2);
    const Cut whole = cut(direction, stream, stream.size() + 1);
    const Cut pieces = cut(direction, stream, size_t{1} + data[1] % 16);
    require(whole.messages == pieces.messages);
    require(whole.is_malformed == pieces.is_malformed);
    return 0;
}
