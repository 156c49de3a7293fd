// ProbeReport: a probe's result, and how far it can be believed. Thread: any (a value).
#pragma once

#include <string>

#include "health/probe_result.h"

namespace weir {

struct ProbeReport {
    // result.primary_lsn is the registry's to fill in.
    ProbeResult result;
    // False with Success: the server is alive, but refused to talk to us (a password, a database
    // that is not there); nothing is known about its role.
    bool has_role = false;
    // A replica that streams and has replayed all it received: it has no lag as far as it knows,
    // however old the last transaction is. Holds for the lag while no LSN of the primary is known.
    bool has_caught_up = false;
    // Why not everything went well, in the words of server or libpq; one line, no secret.
    std::string detail;
};

}  // namespace weir
