#include "proxy/leaks/leak_report.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

namespace weir {

const char* to_string(LeakState state) {
    switch (state) {
        case LeakState::Open: return "open";
        case LeakState::Released: return "released";
        case LeakState::Killed: return "killed";
        case LeakState::Noted: return "noted";
    }
    return "unknown";  // uncovered: every enumerator is above
}

void LeakReport::merge(const LeakReport& later) {
    const Instant seen_first = first_seen < later.first_seen ? first_seen : later.first_seen;
    const uint64_t occurrences = count + later.count;
    const uint64_t still_open = open + later.open;
    if (later.last_seen >= last_seen) *this = later;
    first_seen = seen_first;
    count = occurrences;
    open = still_open;
    if (open > 0) state = LeakState::Open;
}

void LeakTotals::add(const LeakTotals& other) {
    for (size_t i = 0; i < kLeakKinds; ++i) {
        found[i] += other.found[i];
        open[i] += other.open[i];
        killed[i] += other.killed[i];
    }
    dropped += other.dropped;
}

std::string leak_seconds(Duration time) {
    return fmt::format("{:.1f} s", static_cast<double>(time.count()) / 1e6);
}

std::string leak_text(const LeakReport& r, Instant now) {
    std::string text = fmt::format("{} {}", code_of(r.kind), name_of(r.kind));
    if (r.client_id != 0) text += fmt::format(": C-{:#x}", r.client_id);
    if (r.client_id == 0 && r.server_id != 0) text += fmt::format(": S-{:#x}", r.server_id);
    if (!r.database.empty() || !r.user.empty()) text += fmt::format(" {}/{}", r.database, r.user);
    if (!r.client_addr.empty()) text += fmt::format(" @{}", r.client_addr);
    if (!r.application_name.empty()) text += fmt::format(" ({})", r.application_name);
    if (!r.server_addr.empty()) text += fmt::format(" on {} pid {}", r.server_addr, r.server_pid);
    if (!r.since.is_never()) text += ", for " + leak_seconds(now - r.since);
    if (!r.checked_out.is_never()) text += ", held " + leak_seconds(now - r.checked_out);
    if (!r.transaction_since.is_never())
        text += ", in transaction " + leak_seconds(now - r.transaction_since);
    if (!r.reason.empty()) text += "; " + r.reason;
    if (r.unread_bytes > 0) text += fmt::format("; {} bytes unread", r.unread_bytes);
    if (r.prepared_statements > 0)
        text += fmt::format("; {} prepared statements", r.prepared_statements);
    if (!r.first_query.empty()) text += fmt::format("; first query: {}", r.first_query);
    if (!r.last_query.empty())
        text += fmt::format("; last query: {} (digest {:016x})", r.last_query, r.digest);
    return text;
}

}  // namespace weir
