// Readiness: can a transaction be served, for each database that is configured? By what traffic has
// met last; nothing is tried here.
//
//   a database   is not ready while
//   paused, disabled         an operator has said so
//   routed                   no backend may serve a transaction that wants what its clients want by
//                            default (the same rules as EXPLAIN ROUTE; also before the first
//                            probe), or those that may cannot be reached
//   plain                    no user has a connection, and the last login of one has failed. That a
//                            user was refused (class 28) tells nothing of others, unless the entry
//                            has the user. One that was never used was never tried, and is ready.
//
// Thread: control.
#pragma once

#include <string>
#include <vector>

#include "proxy/inspector.h"

namespace weir {

struct Unready {
    std::string database;
    std::string why;     // for everybody who reaches the port: no address, no user
    std::string detail;  // what the server or the kernel said, for those with the token
};

struct Readiness {
    std::string process;  // why nothing is served at all; empty: it is
    std::vector<Unready> databases;

    [[nodiscard]] bool is_ready() const { return process.empty() && databases.empty(); }
};

[[nodiscard]] Readiness readiness(Inspector& inspector);

// Has the failing ones tried again, since whoever asks may send no client until they are well.
void try_unreachable(Inspector& inspector);

}  // namespace weir
