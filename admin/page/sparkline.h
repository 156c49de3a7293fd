// Sparkline: a figure with its last hour as a small SVG beside it. Thread: any (pure).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/page/html.h"

namespace weir {

// `values`: the oldest first, evenly spaced; none is a gap. `now` is how the latest one reads. The
// scale begins at 0 and ends at the peak, which is written beside it.
[[nodiscard]] Html sparkline(std::string_view title, std::string_view now, std::string_view peak,
                             const std::vector<std::optional<double>>& values);

}  // namespace weir
