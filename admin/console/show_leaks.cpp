// SHOW LEAKS and SHOW LEAK_TOTALS: what leak detection has found, put together from all workers.
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "admin/console/show_specs.h"

namespace weir {

namespace {

constexpr ResultColumn kLeaksColumns[] = {
    {"kind"},
    {"name"},
    {"state"},  // of the latest occurrence: open, released, killed, noted
    {"count", ColumnType::Int8},
    {"open", ColumnType::Int8},
    {"client_addr"},
    {"application_name"},
    {"user"},
    {"database"},
    {"server_addr"},
    {"server_pid", ColumnType::Int4},
    {"checkout_time", ColumnType::Time},
    {"held_ms", ColumnType::Int8},         // since the condition began; at its end, if it is over
    {"transaction_ms", ColumnType::Int8},  // likewise, of the transaction; NULL = none
    {"released_after_ms", ColumnType::Int8},
    {"reason"},
    {"unread_bytes", ColumnType::Int8},
    {"prepared_statements", ColumnType::Int8},
    {"first_query"},
    {"last_query"},
    {"digest"},
    {"first_seen", ColumnType::Time},
    {"last_seen", ColumnType::Time},
};

constexpr ResultColumn kLeaksTotalsColumns[] = {
    {"kind"},
    {"name"},
    {"found", ColumnType::Int8},
    {"open", ColumnType::Int8},
    {"killed", ColumnType::Int8},
};

Cells leak_row(Inspector& inspector, const LeakReport& leak, Instant now) {
    const bool is_open = leak.state == LeakState::Open;
    const Instant end = is_open ? now : leak.last_seen;
    const auto ms_until_end = [end](Instant from) -> Cell {
        if (from.is_never()) return {};
        return std::max<int64_t>((end - from).count() / 1000, 0);
    };
    const bool is_over = leak.state == LeakState::Released || leak.state == LeakState::Killed;
    return {code_of(leak.kind),
            name_of(leak.kind),
            to_string(leak.state),
            leak.count,
            leak.open,
            leak.client_addr,
            leak.application_name,
            leak.user,
            leak.database,
            leak.server_addr,
            leak.server_pid,
            local_time(inspector, leak.checked_out),
            ms_until_end(leak.since),
            ms_until_end(leak.transaction_since),
            is_over ? Cell(leak.released_after.count() / 1000) : Cell(),
            leak.reason,
            leak.unread_bytes,
            leak.prepared_statements,
            leak.first_query,
            leak.last_query,
            leak.digest == 0 ? "" : fmt::format("{:016x}", leak.digest),
            local_time(inspector, leak.first_seen),
            local_time(inspector, leak.last_seen)};
}

// The same leak may have been met by several workers.
std::vector<LeakReport> merged(const ShowInput& input) {
    std::vector<LeakReport> leaks;
    for (const WorkerSnapshot& worker : input.workers) {
        for (const LeakReport& leak : worker.leaks) {
            const auto known = std::find_if(leaks.begin(), leaks.end(),
                                            [&](const LeakReport& it) { return it.is_like(leak); });
            known == leaks.end() ? leaks.push_back(leak) : known->merge(leak);
        }
    }
    return leaks;
}

// The open ones first, then the latest.
void show_leaks(const ShowInput& input, CommandOutcome& outcome) {
    std::vector<LeakReport> leaks = merged(input);
    std::sort(leaks.begin(), leaks.end(), [](const LeakReport& a, const LeakReport& b) {
        if ((a.open > 0) != (b.open > 0)) return a.open > 0;
        return a.last_seen > b.last_seen;
    });
    const Instant now = input.inspector.now();
    for (const LeakReport& leak : leaks)
        outcome.rows.push_back(leak_row(input.inspector, leak, now));
}

void show_leak_totals(const ShowInput& input, CommandOutcome& outcome) {
    LeakTotals totals;
    for (const WorkerSnapshot& worker : input.workers)
        totals.add(worker.leak_totals);
    for (size_t i = 0; i < kLeakKinds; ++i) {
        const auto kind = static_cast<LeakKind>(i);
        outcome.rows.push_back(
            {code_of(kind), name_of(kind), totals.found[i], totals.open[i], totals.killed[i]});
    }
}

}  // namespace

constinit const ShowSpec kShowLeaks = {
    .topic = "LEAKS", .columns = kLeaksColumns, .fill = show_leaks, .needs_workers = true};
constinit const ShowSpec kShowLeakTotals = {.topic = "LEAK_TOTALS",
                                            .columns = kLeaksTotalsColumns,
                                            .fill = show_leak_totals,
                                            .needs_workers = true};

}  // namespace weir
