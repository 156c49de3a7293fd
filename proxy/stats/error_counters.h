// ErrorCounters: errors by the class of their SQLSTATE, its first two characters (PostgreSQL
// documentation, appendix "PostgreSQL Error Codes"). Single writer, see protocol/base/counter.h.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <string_view>

#include "protocol/base/counter.h"

namespace weir {

// In order.
inline constexpr std::string_view kSqlstateClasses[] = {
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21",
    "22", "23", "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D",
    "3F", "40", "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX"};

class ErrorCounters {
  public:
    // One for each class, and the last for whatever else extensions and functions raise.
    static constexpr size_t kCount = std::size(kSqlstateClasses) + 1;

    void note(std::string_view sqlstate) {
        const auto* const found = std::lower_bound(
            std::begin(kSqlstateClasses), std::end(kSqlstateClasses), sqlstate.substr(0, 2));
        const bool is_known =
            found != std::end(kSqlstateClasses) && *found == sqlstate.substr(0, 2);
        counts_[is_known ? static_cast<size_t>(found - kSqlstateClasses) : kCount - 1].add(1);
    }
    [[nodiscard]] uint64_t count(size_t index) const { return counts_[index].get(); }
    // "42", and "_other" for the last.
    [[nodiscard]] static std::string_view name(size_t index) {
        return index + 1 < kCount ? kSqlstateClasses[index] : "_other";
    }

  private:
    std::array<Counter, kCount> counts_;
};

}  // namespace weir
