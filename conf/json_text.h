// Texts of peers as JSON strings: they stay within their line and within their quotes. Pure.
// Thread: any.
#pragma once

#include <string>
#include <string_view>

namespace weir {

// Appends `text` in quotes, cut at kLogLineBytesMax; bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace weir
