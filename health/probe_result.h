// ProbeResult: what one probe of an endpoint brought back. Thread: any (a value).
#pragma once

#include <cstdint>
#include <optional>

#include "health/outcome.h"
#include "health/score.h"
#include "protocol/base/clock.h"

namespace weir {

struct ProbeResult {
    Outcome outcome = Outcome::ProbeFailure;  // the rest holds only with Success
    Instant sent_at;                          // evidence is as old as the question
    Duration round_trip{0};
    bool is_in_recovery = false;
    uint64_t system_identifier = 0;
    // Of the WAL being written or replayed. For a primary from pg_walfile_name(), not from
    // pg_control_checkpoint(): that one still shows the old timeline for a while after a promotion.
    uint32_t timeline = 0;
    uint64_t lsn = 0;                      // written by a primary, replayed by a replica
    std::optional<Duration> replay_delay;  // now() - pg_last_xact_replay_timestamp()
    uint64_t primary_lsn = 0;              // newest known before this probe was sent; 0 = none
    int32_t backend_count = 0;             // numbackends
};

// The lag that a good probe shows. A replica that has replayed all that the primary had written
// before the question has none, however long ago the last transaction was: on a quiet primary the
// replay timestamp grows old without any lag.
[[nodiscard]] inline Lag lag_of(const ProbeResult& probe) {
    Lag lag;
    lag.is_replica = probe.is_in_recovery;
    if (!probe.is_in_recovery) return lag;
    lag.delay = probe.replay_delay;
    if (probe.primary_lsn == 0) return lag;
    if (probe.lsn >= probe.primary_lsn) lag.delay = Duration(0);
    lag.bytes = probe.lsn >= probe.primary_lsn ? 0 : probe.primary_lsn - probe.lsn;
    return lag;
}

}  // namespace weir
