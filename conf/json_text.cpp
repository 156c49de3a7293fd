#include "conf/json_text.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>

#include "conf/limits.h"

namespace weir {

namespace {

// Bytes of the UTF-8 character that begins `text`; 0 = it is none.
size_t utf8_bytes(std::string_view text) {
    const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    size_t size = 0;
    if (first >= 0xc2 && first <= 0xdf) size = 2;
    if (first >= 0xe0 && first <= 0xef) size = 3;
    if (first >= 0xf0 && first <= 0xf4) size = 4;
    if (size == 0 || text.size() < size) return 0;
    for (size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    // Overlong forms, surrogates, and what is beyond Unicode.
    const unsigned char second = byte(1);
    const bool is_wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                          (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
    return is_wrong ? 0 : size;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    const bool is_cut = text.size() > kLogLineBytesMax;
    text = text.substr(0, kLogLineBytesMax);
    while (!text.empty()) {
        const size_t size = utf8_bytes(text);
        const auto byte = static_cast<unsigned char>(text[0]);
        if (size == 0) {
            out += "\\ufffd";
        } else if (byte < 0x20 || byte == 0x7f) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
        } else {
            if (byte == '"' || byte == '\\') out += '\\';
            out += text.substr(0, size);
        }
        text.remove_prefix(std::max<size_t>(size, 1));
    }
    out += is_cut ? "...\"" : "\"";
}

}  // namespace weir
