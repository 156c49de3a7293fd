// LeakRegistry: the reports of one worker, a bounded number of them, and how often each kind was
// found. When it is full, the report that was seen last the longest ago makes room; one of which
// an occurrence goes on never does. Owner: LeakWatch, or the Auditor. Thread: the owner's.
#pragma once

#include <cstdint>
#include <vector>

#include "proxy/leaks/leak_report.h"

namespace weir {

class LeakRegistry {
  public:
    static constexpr size_t kReportsMax = 256;
    static constexpr uint32_t kNone = 0xffffffff;

    // One occurrence, whose state says whether it goes on (Open) or is all there is to tell. Gives
    // the row it went to, for end(); kNone when there was no room.
    uint32_t add(LeakReport report);
    // An occurrence of `kind` that add() was given as Open has ended, `after` this long. `row` is
    // what add() gave.
    void end(uint32_t row, LeakKind kind, LeakState how, Duration after, Instant now);

    [[nodiscard]] const std::vector<LeakReport>& reports() const { return reports_; }
    [[nodiscard]] const LeakTotals& totals() const { return totals_; }

  private:
    [[nodiscard]] uint32_t find_like(const LeakReport& report) const;
    [[nodiscard]] uint32_t oldest_over() const;

    std::vector<LeakReport> reports_;  // rows keep their place
    LeakTotals totals_;
};

}  // namespace weir
