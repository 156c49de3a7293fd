// Blanks: what parts words within a line of a configuration file.
// Pure. Thread: any.
#pragma once

#include <string_view>

namespace weir {

[[nodiscard]] constexpr bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

// What is left behind the blanks at its beginning.
[[nodiscard]] constexpr std::string_view skip_blanks(std::string_view s) {
    while (!s.empty() && is_blank(s.front()))
        s.remove_prefix(1);
    return s;
}

}  // namespace weir
