// SHOW EVENTS: the last transitions of this process, the newest last.
#include "admin/console/show_specs.h"

namespace weir {

namespace {

constexpr ResultColumn kEventsColumns[] = {
    {"time", ColumnType::Time}, {"kind"}, {"subject"}, {"event"}, {"detail"},
};

void show_events(const ShowInput& input, CommandOutcome& outcome) {
    const auto text = [](const std::string& value) { return value.empty() ? Cell() : Cell(value); };
    for (const ProcessEvent& event : input.inspector.events().events()) {
        outcome.rows.push_back({local_time(input.inspector, event.at), to_string(event.kind),
                                text(event.subject), event.event, text(event.detail)});
    }
}

}  // namespace

constinit const ShowSpec kShowEvents = {
    .topic = "EVENTS", .columns = kEventsColumns, .fill = show_events};

}  // namespace weir
