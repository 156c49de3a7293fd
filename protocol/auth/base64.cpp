#include "protocol/auth/base64.h"

#include <array>

namespace weir {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNotASymbol = 0xFF;

constexpr std::array<uint8_t, 256> make_values() {
    std::array<uint8_t, 256> values{};
    for (uint8_t& value : values) {
        value = kNotASymbol;
    }
    for (size_t i = 0; i < kAlphabet.size(); ++i) {
        values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
    }
    return values;
}

constexpr std::array<uint8_t, 256> kValues = make_values();

char symbol(uint32_t group, unsigned shift) {
    return kAlphabet[(group >> shift) & 63];
}

}  // namespace

std::string base64_encode(ByteView bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    size_t i = 0;
    for (; bytes.size() - i >= 3; i += 3) {
        const uint32_t group = static_cast<uint32_t>(bytes[i]) << 16 |
                               static_cast<uint32_t>(bytes[i + 1]) << 8 | bytes[i + 2];
        text += {symbol(group, 18), symbol(group, 12), symbol(group, 6), symbol(group, 0)};
    }
    if (bytes.size() - i == 1) {
        const uint32_t group = static_cast<uint32_t>(bytes[i]) << 16;
        text += {symbol(group, 18), symbol(group, 12), '=', '='};
    } else if (bytes.size() - i == 2) {
        const uint32_t group =
            static_cast<uint32_t>(bytes[i]) << 16 | static_cast<uint32_t>(bytes[i + 1]) << 8;
        text += {symbol(group, 18), symbol(group, 12), symbol(group, 6), '='};
    }
    return text;
}

std::optional<std::vector<uint8_t>> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    size_t padding = 0;
    if (text.ends_with("==")) {
        padding = 2;
    } else if (text.ends_with('=')) {
        padding = 1;
    }
    std::vector<uint8_t> bytes;
    bytes.reserve(text.size() / 4 * 3);
    uint32_t bits = 0;  // the low `bit_count` bits are read but not yet written
    unsigned bit_count = 0;
    for (const char c : text.substr(0, text.size() - padding)) {
        const uint8_t value = kValues[static_cast<uint8_t>(c)];
        if (value == kNotASymbol) return std::nullopt;
        bits = (bits << 6 | value) & 0xFFFF;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            bytes.push_back(static_cast<uint8_t>(bits >> bit_count));
        }
    }
    const uint32_t stray = bits & ((1U << bit_count) - 1);
    if (stray != 0) return std::nullopt;
    return bytes;
}

}  // namespace weir
