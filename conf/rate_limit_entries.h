// The lines of a [rate_limit:NAME] section: one key a line, plain values. What several lines, or
// several limits, say against each other is in rate_limit_sections. Thread: any (pure functions).
#pragma once

#include <string_view>
#include <vector>

#include "conf/entries.h"
#include "conf/rate_limit_config.h"

namespace weir {

// Line by line: begin at the header, one setting for each line.
ParsedEntry<RateLimitConfig> begin_rate_limit(std::string_view name);
void set_rate_limit(ParsedEntry<RateLimitConfig>& limit, std::string_view key,
                    std::string_view value);

// How messages call it.
std::string title(const RateLimitConfig& limit);

std::vector<EntryKeyInfo> rate_limit_keys();

}  // namespace weir
