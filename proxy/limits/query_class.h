// What a statement is about, by its first keyword: blanks, comments and opening parentheses are
// skipped, nothing is parsed. A hint for rate limits only: `WITH` counts as a read although it may
// write, `BEGIN` says nothing of what follows, and of several statements only the first is looked
// at. Never decide by it where a statement goes. Thread: any (pure function).
#pragma once

#include <string_view>

#include "conf/rate_limit_config.h"

namespace weir {

// Utility when the keyword is none of the others', or there is none. Cost: the bytes up to the
// keyword; allocates nothing. Standard SQL comments, nested ones as PostgreSQL has them.
[[nodiscard]] QueryClass query_class_of(std::string_view sql);

}  // namespace weir
