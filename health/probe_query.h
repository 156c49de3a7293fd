// What a probe asks, and how the answer is read.
//
// An ordinary role may call everything that is asked here: pg_control_system(), _checkpoint() and
// _recovery() are anybody's (seen with PostgreSQL 15), but a cautious administrator may have
// revoked them and an old or altered server may lack some. So the first question on a connection is
// what may be called, and what may not is left out: its field stays unknown. pg_stat_wal_receiver
// shows its timeline only to members of pg_read_all_stats, which is why a standby's is the highest
// of it and of pg_control's two, that are as new as its last restart point. Pure. Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "health/probe_report.h"

namespace weir {

// Which functions the probe's role may call, in the order of capability_query()'s columns.
struct ProbeCapabilities {
    static constexpr size_t kCount = 8;
    bool control_system = false;
    bool control_checkpoint = false;
    bool control_recovery = false;
    bool walfile_name = false;
    bool current_lsn = false;
    bool replay_lsn = false;
    bool replay_timestamp = false;
    bool receive_lsn = false;
};

[[nodiscard]] std::string capability_query();
// `columns`: the values of the row, "t" or not.
[[nodiscard]] ProbeCapabilities read_capabilities(std::span<const std::string_view> columns);

// One row of kProbeColumns columns. Without any capability it asks for the role alone, which every
// server since 9.0 can tell.
constexpr size_t kProbeColumns = 8;
[[nodiscard]] std::string probe_query(const ProbeCapabilities& capabilities);
// Fills has_role, has_caught_up, and of the result all but outcome, times and primary_lsn; an empty
// column is unknown.
void read_probe_row(std::span<const std::string_view> columns, ProbeReport& report);

// "16/B374D848" as a number.
[[nodiscard]] std::optional<uint64_t> parse_lsn(std::string_view text);

}  // namespace weir
