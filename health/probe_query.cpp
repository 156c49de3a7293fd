#include "health/probe_query.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "protocol/base/check.h"

namespace weir {

namespace {

constexpr std::array<const char*, ProbeCapabilities::kCount> kFunctions = {
    "pg_control_system()",
    "pg_control_checkpoint()",
    "pg_control_recovery()",
    "pg_walfile_name(pg_lsn)",
    "pg_current_wal_lsn()",
    "pg_last_wal_replay_lsn()",
    "pg_last_xact_replay_timestamp()",
    "pg_last_wal_receive_lsn()"};

template <typename T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string choose(bool is_possible, const std::string& expression) {
    return is_possible ? expression : "NULL";
}

// A log file is called by its timeline first, in eight hexadecimal digits.
std::optional<uint32_t> timeline_of_file(std::string_view name) {
    if (name.size() < 8) return std::nullopt;
    return parse_number<uint32_t>(name.substr(0, 8), 16);
}

}  // namespace

std::string capability_query() {
    std::string query = "SELECT ";
    for (const char* function : kFunctions) {
        if (function != kFunctions[0]) query += ", ";
        query +=
            "coalesce(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure("
            "'pg_catalog." +
            std::string(function) + "'), 'execute'), false)";
    }
    return query;
}

ProbeCapabilities read_capabilities(std::span<const std::string_view> columns) {
    ProbeCapabilities capabilities;
    if (columns.size() != ProbeCapabilities::kCount) return capabilities;
    capabilities.control_system = columns[0] == "t";
    capabilities.control_checkpoint = columns[1] == "t";
    capabilities.control_recovery = columns[2] == "t";
    capabilities.walfile_name = columns[3] == "t";
    capabilities.current_lsn = columns[4] == "t";
    capabilities.replay_lsn = columns[5] == "t";
    capabilities.replay_timestamp = columns[6] == "t";
    capabilities.receive_lsn = columns[7] == "t";
    return capabilities;
}

// The role is asked once, in a subquery that OFFSET keeps from being merged: between two calls of
// pg_is_in_recovery() a promotion may happen, and pg_current_wal_lsn() fails in recovery.
std::string probe_query(const ProbeCapabilities& can) {
    const std::string file = choose(can.walfile_name && can.current_lsn,
                                    "CASE WHEN NOT r THEN pg_catalog.pg_walfile_name("
                                    "pg_catalog.pg_current_wal_lsn()) END");
    const std::string receiver =
        choose(can.replay_lsn, "(SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver)");
    const std::string checkpoint = choose(
        can.control_checkpoint, "(SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())");
    const std::string recovery =
        choose(can.control_recovery,
               "(SELECT min_recovery_end_timeline FROM pg_catalog.pg_control_recovery())");
    return "SELECT r, CASE WHEN r THEN " +
           choose(can.replay_lsn, "pg_catalog.pg_last_wal_replay_lsn()::text") + " ELSE " +
           choose(can.current_lsn, "pg_catalog.pg_current_wal_lsn()::text") + " END, " +
           choose(can.replay_timestamp,
                  "CASE WHEN r THEN (extract(epoch FROM pg_catalog.clock_timestamp() - "
                  "pg_catalog.pg_last_xact_replay_timestamp()) * 1000000)::bigint END") +
           ", " + file + ", CASE WHEN r THEN greatest(" + receiver + ", " + checkpoint + ", " +
           recovery + ")::int END, " +
           choose(can.control_system,
                  "(SELECT system_identifier FROM pg_catalog.pg_control_system())") +
           ", " +
           choose(can.current_lsn,
                  "(SELECT sum(numbackends)::int FROM pg_catalog.pg_stat_database)") +
           ", " +
           choose(can.receive_lsn && can.replay_lsn,
                  "r AND EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver) AND "
                  "pg_catalog.pg_last_wal_receive_lsn() <= pg_catalog.pg_last_wal_replay_lsn()") +
           " FROM (SELECT pg_catalog.pg_is_in_recovery() AS r OFFSET 0) AS role";
}

void read_probe_row(std::span<const std::string_view> columns, ProbeReport& report) {
    report.has_role = columns.size() == kProbeColumns && (columns[0] == "t" || columns[0] == "f");
    if (!report.has_role) return;
    ProbeResult& result = report.result;
    result.is_in_recovery = columns[0] == "t";
    result.lsn = parse_lsn(columns[1]).value_or(0);
    // The timestamp is of the primary's clock, which may be ahead of ours.
    if (const auto delay = parse_number<int64_t>(columns[2])) {
        result.replay_delay = Duration(std::max<int64_t>(*delay, 0));
    }
    result.timeline = result.is_in_recovery ? parse_number<uint32_t>(columns[4]).value_or(0)
                                            : timeline_of_file(columns[3]).value_or(0);
    // bigint: the upper half of the identifiers is printed as negative.
    if (const auto id = parse_number<int64_t>(columns[5])) {
        result.system_identifier = static_cast<uint64_t>(*id);
    }
    result.backend_count = parse_number<int32_t>(columns[6]).value_or(0);
    report.has_caught_up = columns[7] == "t";
}

std::optional<uint64_t> parse_lsn(std::string_view text) {
    const size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto high = parse_number<uint32_t>(text.substr(0, slash), 16);
    const auto low = parse_number<uint32_t>(text.substr(slash + 1), 16);
    if (!high || !low) return std::nullopt;
    return uint64_t{*high} << 32 | *low;
}

}  // namespace weir
