// The commands that stop and start the traffic: PAUSE, RESUME, SUSPEND, KILL, KILL_CLIENT, DISABLE,
// ENABLE, RECONNECT, WAIT_CLOSE. Errors have PgBouncer's words. Thread: control.
#pragma once

#include "admin/console/commands.h"

namespace weir {

CommandOutcome pause(Inspector& inspector, const ConsoleStatement& statement);
CommandOutcome resume(Inspector& inspector, const ConsoleStatement& statement);
CommandOutcome suspend(Inspector& inspector, const ConsoleStatement& statement);
CommandOutcome kill(Inspector& inspector, const ConsoleStatement& statement);
CommandOutcome disable(Inspector& inspector, const ConsoleStatement& statement);
CommandOutcome enable(Inspector& inspector, const ConsoleStatement& statement);
CommandOutcome reconnect(Inspector& inspector, const ConsoleStatement& statement);
CommandOutcome wait_close(Inspector& inspector, const ConsoleStatement& statement);
void kill_client(Inspector& inspector, const ConsoleStatement& statement,
                 std::function<void(Status)> done);

}  // namespace weir
