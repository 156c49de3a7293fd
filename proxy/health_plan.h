// Health plan: what the configuration wants of the health room.
//
// Watched are the databases whose traffic is routed (is_routed() in conf/config.h), `*` among them.
// Where Weir behaves as PgBouncer, nobody asks how well a server is, and nobody probes it.
//
// Probes log in as `probe_user`. Without one, each database entry lends its forced user when the
// secret of that is at hand in plain text, on the entry's own database: the entry then works
// without further ado. Otherwise there are no probes and traffic is the only witness. A secret of
// auth_file that is hashed is of no use to a probe: it then sends no password. Pure; allocates.
// Thread: any.
#pragma once

#include "conf/config.h"
#include "health/backend_spec.h"

namespace weir {

[[nodiscard]] HealthPlan make_health_plan(const Config& config);

// The thresholds alone.
[[nodiscard]] HealthOptions make_health_options(const GlobalConfig& global);

}  // namespace weir
