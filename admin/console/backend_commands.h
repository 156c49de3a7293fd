// Commands about one backend: DRAIN, DISABLE BACKEND, ENABLE BACKEND, REWEIGHT, BREAKER ..., RESET
// ROLES, which the health thread carries out, so that each begins now and is answered later; ADD
// BACKEND and REMOVE BACKEND, which change the running configuration as a RELOAD does, at once.
// Thread: control.
#pragma once

#include <functional>

#include "admin/console/commands.h"

namespace weir {

using OnStatus = std::function<void(Status)>;

CommandOutcome add_backend(Inspector& inspector, const ConsoleStatement& statement);
CommandOutcome remove_backend(Inspector& inspector, const ConsoleStatement& statement);
void drain_backend(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void disable_backend(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void enable_backend(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void reweight_backend(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void open_breaker(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void close_breaker(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void reset_breaker(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void reset_roles(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);

}  // namespace weir
