// The fingerprint of a text by PostgreSQL's own parser (libpg_query): the same for texts that
// differ only in literals, in white space, comments, the length of lists of literals, and in the
// names of parameters and aliases. The number is the one that other programs with libpg_query have
// for it, too.
//
// Costs some 30 us and memory of the heap, all given back. Thread: any but a worker's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weir {

// Nothing: it cannot be parsed, or would make a tree too deep for our stack.
[[nodiscard]] std::optional<uint64_t> fingerprint(std::string_view sql);

}  // namespace weir
