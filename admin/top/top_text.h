// How figures and texts of others look on a terminal. Thread: any (pure functions).
#pragma once

#include <string>
#include <string_view>

namespace weir {

// 999, 12.3k, 4.5M
std::string shown_count(double count);
// The same with bytes: 999, 12.3K, 4.5M (powers of 1024)
std::string shown_bytes(double bytes);
// 999us, 12.3ms, 4.5s, 3m20s
std::string shown_us(double us);
// 1:02:03, or 3d 1:02:03
std::string shown_uptime(int64_t seconds);

// Without anything that a terminal would obey: control characters become `?`, broken UTF-8 too.
std::string harmless(std::string_view text);
// Exactly `width` columns: cut, or filled with blanks, on the left when `is_right`.
std::string fitted(std::string_view text, size_t width, bool is_right);

}  // namespace weir
