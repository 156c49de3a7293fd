// EXPLAIN ROUTE [FOR database [USER user]] sql: where that statement would go now, and why; nothing
// is sent and nothing counted. Without FOR it is about the one database that is routed. Without
// USER it is about the user whose pools are the only ones of that database, if there is one such;
// else options of users are left out. Thread: control.
#pragma once

#include "admin/console/commands.h"

namespace weir {

inline constexpr ResultColumn kExplainRouteColumns[] = {{"step"}, {"verdict"}, {"detail"}};

CommandOutcome explain_route(Inspector& inspector, const ConsoleStatement& statement);

}  // namespace weir
