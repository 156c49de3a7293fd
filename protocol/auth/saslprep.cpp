#include "protocol/auth/saslprep.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "protocol/auth/nfkc.h"
#include "protocol/auth/saslprep_tables.h"

namespace weir {

namespace {

bool is_in(std::span<const CodeRange> table, char32_t code) {
    const auto next = std::upper_bound(
        table.begin(), table.end(), code,
        [](char32_t value, const CodeRange& range) { return value < range.first; });
    return next != table.begin() && code <= (next - 1)->last;
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

struct LeadByte {  // what the first byte of a UTF-8 sequence says
    size_t length;
    char32_t bits;
    char32_t least;  // anything below is an overlong spelling
};

std::optional<LeadByte> read_lead(uint8_t byte) {
    if (byte < 0x80) return LeadByte{1, byte, 0};
    if (byte >= 0xC0 && byte < 0xE0) return LeadByte{2, byte & 0x1FU, 0x80};
    if (byte >= 0xE0 && byte < 0xF0) return LeadByte{3, byte & 0x0FU, 0x800};
    if (byte >= 0xF0 && byte < 0xF8) return LeadByte{4, byte & 0x07U, 0x10000};
    return std::nullopt;
}

// The code points of well-formed UTF-8 (RFC 3629: no overlong forms, surrogates or values above
// U+10FFFF); nothing for other text.
std::optional<CodePoints> decode_utf8(std::string_view text) {
    CodePoints codes;
    codes.reserve(text.size());
    while (!text.empty()) {
        const auto lead = read_lead(static_cast<uint8_t>(text[0]));
        if (!lead || lead->length > text.size()) return std::nullopt;
        char32_t code = lead->bits;
        for (const char c : text.substr(1, lead->length - 1)) {
            const auto byte = static_cast<uint8_t>(c);
            if ((byte & 0xC0) != 0x80) return std::nullopt;
            code = code << 6 | (byte & 0x3FU);
        }
        const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
        if (code < lead->least || is_surrogate || code > 0x10FFFF) return std::nullopt;
        codes.push_back(code);
        text.remove_prefix(lead->length);
    }
    return codes;
}

size_t utf8_length(char32_t code) {
    if (code < 0x80) return 1;
    if (code < 0x800) return 2;
    return code < 0x10000 ? 3 : 4;
}

std::string encode_utf8(const CodePoints& codes) {
    size_t size = 0;
    for (const char32_t code : codes) {
        size += utf8_length(code);
    }
    std::string text;
    text.reserve(size);  // no reallocation below: it would leave a copy of the secret behind
    for (const char32_t code : codes) {
        static constexpr uint8_t kLeads[] = {0, 0, 0xC0, 0xE0, 0xF0};
        const size_t length = utf8_length(code);
        size_t shift = 6 * (length - 1);
        text += static_cast<char>(kLeads[length] | (code >> shift));
        while (shift > 0) {
            shift -= 6;
            text += static_cast<char>(0x80 | (code >> shift & 0x3F));
        }
    }
    return text;
}

// RFC 4013 §2.1.
void map_characters(CodePoints& codes) {
    for (char32_t& code : codes) {
        if (is_in(kNonAsciiSpace, code)) code = U' ';
    }
    const auto is_nothing = [](char32_t code) { return is_in(kMappedToNothing, code); };
    codes.erase(std::remove_if(codes.begin(), codes.end(), is_nothing), codes.end());
}

// RFC 3454 §6: right-to-left text has no left-to-right characters, and begins and ends
// right-to-left.
bool has_consistent_direction(const CodePoints& codes) {
    const auto is_right_to_left = [](char32_t code) { return is_in(kRightToLeft, code); };
    const auto is_left_to_right = [](char32_t code) { return is_in(kLeftToRight, code); };
    if (std::none_of(codes.begin(), codes.end(), is_right_to_left)) return true;
    return is_right_to_left(codes.front()) && is_right_to_left(codes.back()) &&
           std::none_of(codes.begin(), codes.end(), is_left_to_right);
}

}  // namespace

std::string saslprep(std::string_view password) {
    if (is_ascii(password)) return std::string(password);
    auto codes = decode_utf8(password);
    if (!codes) return std::string(password);
    map_characters(*codes);
    const auto is_prohibited = [](char32_t code) { return is_in(kProhibited, code); };
    if (codes->empty() || std::any_of(codes->begin(), codes->end(), is_prohibited) ||
        !has_consistent_direction(*codes)) {
        return std::string(password);
    }
    return encode_utf8(to_nfkc(*codes));
}

}  // namespace weir
