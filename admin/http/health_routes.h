// What load balancers and Kubernetes ask, open to everybody who reaches the port.
//
//   /healthz   200 `ok` when the control thread and every worker answer; else the Bridge says 503.
//              For liveness: a process that does not answer is to be replaced.
//   /readyz    200 `ready`, or 503 with a line for each database that cannot be served, and why
//              (see Readiness). For whether to send clients here.
//
// Thread: control.
#pragma once

#include "admin/http/routes.h"
#include "proxy/inspector.h"

namespace weir {

void add_health_routes(HttpRoutes& routes, Inspector& inspector);

}  // namespace weir
