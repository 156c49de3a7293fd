// SHOW CONFIG, SHOW STATE and SHOW VERSION.
#include "admin/console/show_specs.h"
#include "conf/option_table.h"

namespace weir {

namespace {

constexpr ResultColumn kConfigColumns[] = {{"key"}, {"value"}, {"default"}, {"changeable"}};
constexpr ResultColumn kStateColumns[] = {{"key"}, {"value"}};
constexpr ResultColumn kVersionColumns[] = {{"version"}};

const char* yes_no(bool is) {
    return is ? "yes" : "no";
}

void show_config_rows(const ShowInput& input, CommandOutcome& outcome) {
    for (const ShowConfigRow& row : show_config(input.config->global)) {
        outcome.rows.push_back({row.key, row.value, row.default_text, yes_no(row.changeable)});
    }
}

void show_state(const ShowInput& input, CommandOutcome& outcome) {
    const bool is_paused = input.inspector.is_paused();
    const bool is_suspended = input.inspector.is_suspended();
    outcome.rows = {{"active", yes_no(!is_paused && !is_suspended)},
                    {"paused", yes_no(is_paused)},
                    {"suspended", yes_no(is_suspended)}};
}

// The first line of `weir --version`.
void show_version(const ShowInput&, CommandOutcome& outcome) {
    outcome.rows.push_back({"Weir " WEIR_VERSION});
}

}  // namespace

constinit const ShowSpec kShowConfig = {
    .topic = "CONFIG", .columns = kConfigColumns, .fill = show_config_rows};
constinit const ShowSpec kShowState = {
    .topic = "STATE", .columns = kStateColumns, .fill = show_state};
constinit const ShowSpec kShowVersion = {
    .topic = "VERSION", .columns = kVersionColumns, .fill = show_version};

}  // namespace weir
