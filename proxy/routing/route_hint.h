// A hint in the first comment of a statement's text, at its very beginning (space aside):
//
//     /* weir: primary */ SELECT …        to where writes go, whatever is known of it
//     /* weir: replica */ SELECT …        to where reads go, although it cannot be proven read-only
//
// Words are in lower case, separated by space or commas; of both, primary wins. Words that are not
// known are ignored and counted. Nothing else is a hint: no other comment, no `--`, no `/*+`.
// Thread: any (pure; no allocation, reads the comment only).
#pragma once

#include <cstdint>
#include <string_view>

namespace weir {

enum class HintTarget : uint8_t { None, Primary, Replica };

struct RouteHint {
    HintTarget target = HintTarget::None;
    uint8_t unknown_words = 0;  // 255 = that many or more
};

// A longer comment is none of ours.
constexpr size_t kHintBytesMax = 256;

[[nodiscard]] RouteHint route_hint(std::string_view sql);

}  // namespace weir
