// A quick look at a text before it is parsed: its first word, and how deep its tree can become.
//
// The parser's answer is packed, unpacked and walked by functions that call themselves, some kB of
// stack per level, and PostgreSQL's own limit is not in force there; so depth is bounded
// beforehand, from above. Outside of parentheses a tree can be no deeper than there are tokens, but
// a comma separates elements of a list, which stand beside each other. Only a chain of set
// operations goes on behind commas; its links are counted for themselves. What is in parentheses or
// brackets counts at its own deepest, and whatever comes behind it may be above it:
//
//     bound(level) = most over its lists' elements of (tokens + bounds of the levels within)
//                    + set operations
//
// Tokens are those of PostgreSQL's lexer with standard_conforming_strings on (see parses_alike), or
// parts of them. Thread: any (pure; no allocation).
#pragma once

#include <cstdint>
#include <string_view>

namespace weir {

// The depth_bound up to which PostgreSQL's parser may be asked: at most some 4 messages are nested
// per unit, at less than 1 kB of stack each, so this takes a fraction of a thread's 8 MB.
constexpr uint32_t kParseDepthMax = 1000;

struct SqlShape {
    std::string_view first_word;  // behind space, comments, semicolons, '('; empty = there is none
    uint32_t depth_bound = 0;
    bool is_empty = true;  // no token but semicolons
};

// Parentheses deeper than this give a bound of kDepthBeyond.
constexpr uint32_t kParenthesesMax = 128;
constexpr uint32_t kDepthBeyond = UINT32_MAX;

[[nodiscard]] SqlShape shape_of(std::string_view sql);

}  // namespace weir
