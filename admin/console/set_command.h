// SET: an option of the configuration gets another value until the next RELOAD, and settings that
// only PostgreSQL has are taken and ignored. Thread: control.
#pragma once

#include "admin/console/commands.h"

namespace weir {

CommandOutcome set_option(Inspector& inspector, const ConsoleStatement& statement);
CommandOutcome ignore_setting(Inspector& inspector, const ConsoleStatement& statement);

}  // namespace weir
