// Well-formed UTF-8 (RFC 3629, section 4): no overlong forms, no surrogates, nothing beyond
// U+10FFFF. Pure. Thread: any.
#pragma once

#include <cstddef>
#include <string_view>

namespace weir {

// Bytes of the character that `text`, which is not empty, begins with; 0 when that is none.
[[nodiscard]] size_t utf8_character_bytes(std::string_view text);

}  // namespace weir
