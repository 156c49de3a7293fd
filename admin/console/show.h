// SHOW: the registry of everything that can be shown. One ShowSpec says who may see it, its columns
// (the one place where they stand: RowDescription, the golden list and SHOW's answers follow it)
// and what fills it. To add a SHOW, see admin/README.md.
//
// Thread: the table is constant; fill functions run on the control thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin/console/outcome.h"
#include "admin/console/result_table.h"
#include "admin/console/stats_history.h"
#include "proxy/inspector.h"

namespace weir {

// The database that the console is, as SHOW prints it.
constexpr const char* kConsoleDatabase = "pgbouncer";
inline bool is_console_name(std::string_view database) {
    return database == kConsoleDatabase || database == "weir";
}
// Drivers read the number of the PgBouncer release whose console this is like.
constexpr const char* kConsoleServerVersion = "1.25.2/weir";

// Who may run a command: everyone whom the console admits, or administrators only.
enum class Access : uint8_t { Everyone, Admin };

// What fill functions look at.
struct ShowInput {
    Inspector& inspector;
    ConfigPtr config;
    const DatabaseTotals& totals;  // now, the console's own among them
    const StatsHistory& history;
    size_t consoles = 0;  // clients that talk to the console
    // Only if the spec asks for them.
    std::span<const WorkerSnapshot> workers = {};
    const HealthSnapshot* health = nullptr;
    const InsightSnapshot* insight = nullptr;
};

struct ShowSpec {
    std::string_view topic;  // words after SHOW, one blank between them
    Access access = Access::Everyone;
    std::span<const ResultColumn> columns = {};  // empty: no rows, only a notice
    // Null: the one row is fixed_value.
    void (*fill)(const ShowInput& input, CommandOutcome& outcome) = nullptr;
    // What it waits for; at most one of them.
    bool needs_workers = false;
    bool needs_health = false;
    bool needs_details = false;  // of the workers: SocketDetails
    bool needs_insight = false;
    // A setting that drivers ask about: its only, unchanging value.
    const char* fixed_value = nullptr;
};

std::span<const ShowSpec* const> show_table();
// Settings of PostgreSQL that drivers ask about, and which SET ignores.
std::span<const ShowSpec> setting_table();
// From either table, in any letter case; null when there is none.
const ShowSpec* find_show(std::string_view topic);
const ShowSpec* find_setting(std::string_view name);
CommandOutcome run_show(const ShowSpec& spec, const ShowInput& input);

}  // namespace weir
