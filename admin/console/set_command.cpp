#include "admin/console/set_command.h"

namespace weir {

// PgBouncer says no more than that it failed; why is in the detail.
CommandOutcome set_option(Inspector& inspector, const ConsoleStatement& statement) {
    const std::string name = *statement.database();
    const Status set = inspector.set_option(name, statement.command.value);
    if (!set) return CommandOutcome::failed(Error("08P01", "SET failed"), set.error().message);
    return CommandOutcome::done("SET " + name + "=" + statement.command.value);
}

CommandOutcome ignore_setting(Inspector&, const ConsoleStatement&) {
    CommandOutcome outcome = CommandOutcome::done("SET");
    outcome.notices.push_back({"SET ignored", ""});
    return outcome;
}

}  // namespace weir
