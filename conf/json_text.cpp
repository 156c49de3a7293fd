#include "conf/json_text.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>

#include "conf/limits.h"
#include "protocol/base/utf8.h"

namespace weir {

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    const bool is_cut = text.size() > kLogLineBytesMax;
    text = text.substr(0, kLogLineBytesMax);
    while (!text.empty()) {
        const size_t size = utf8_character_bytes(text);
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
