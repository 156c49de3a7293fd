// Commands about one backend: DRAIN, DISABLE BACKEND, ENABLE BACKEND, REWEIGHT, BREAKER ..., RESET
// ROLES. The health thread carries them out, so each begins now and is answered later.
// Thread: control.
#pragma once

#include <functional>

#include "admin/console/commands.h"

namespace weir {

using OnStatus = std::function<void(Status)>;

void drain_backend(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void disable_backend(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void enable_backend(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void reweight_backend(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void open_breaker(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void close_breaker(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void reset_breaker(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);
void reset_roles(Inspector& inspector, const ConsoleStatement& statement, OnStatus done);

}  // namespace weir
