// Thread: any (values).
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace weir {

// `text` in lower case, byte by byte: what is not ASCII stays as it is.
[[nodiscard]] inline std::string lower_case(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

}  // namespace weir
