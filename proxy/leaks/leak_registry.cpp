#include "proxy/leaks/leak_registry.h"

#include <utility>

#include "protocol/base/check.h"

namespace weir {

uint32_t LeakRegistry::find_like(const LeakReport& report) const {
    for (uint32_t row = 0; row < reports_.size(); ++row) {
        if (reports_[row].is_like(report)) return row;
    }
    return kNone;
}

uint32_t LeakRegistry::oldest_over() const {
    uint32_t oldest = kNone;
    for (uint32_t row = 0; row < reports_.size(); ++row) {
        if (reports_[row].open > 0) continue;
        if (oldest == kNone || reports_[row].last_seen < reports_[oldest].last_seen) oldest = row;
    }
    return oldest;
}

uint32_t LeakRegistry::add(LeakReport report) {
    const size_t kind = index_of(report.kind);
    const bool is_open = report.state == LeakState::Open;
    report.open = is_open ? 1 : 0;
    ++totals_.found[kind];
    if (is_open) ++totals_.open[kind];
    if (report.state == LeakState::Killed) ++totals_.killed[kind];
    if (const uint32_t row = find_like(report); row != kNone) {
        reports_[row].merge(report);
        return row;
    }
    if (reports_.size() < kReportsMax) {
        reports_.push_back(std::move(report));
        return static_cast<uint32_t>(reports_.size() - 1);
    }
    const uint32_t row = oldest_over();
    if (row == kNone) {
        ++totals_.dropped;
        return kNone;
    }
    reports_[row] = std::move(report);
    return row;
}

void LeakRegistry::end(uint32_t row, LeakKind kind, LeakState how, Duration after, Instant now) {
    const size_t index = index_of(kind);
    WEIR_DCHECK(totals_.open[index] > 0);
    --totals_.open[index];
    if (how == LeakState::Killed) ++totals_.killed[index];
    if (row == kNone) return;
    LeakReport& report = reports_[row];
    WEIR_DCHECK(report.open > 0 && report.kind == kind);
    --report.open;
    report.last_seen = now;
    report.released_after = after;
    if (report.open == 0) report.state = how;
}

}  // namespace weir
