#include "admin/console/show.h"

#include "admin/console/show_specs.h"
#include "proxy/server/parameters.h"

namespace weir {

namespace {

// Settings that drivers read after login, and what a console that is no database answers.
constexpr ResultColumn kClientEncoding[] = {{"client_encoding"}};
constexpr ResultColumn kDateStyle[] = {{"datestyle"}};
constexpr ResultColumn kTimeZone[] = {{"timezone"}};
constexpr ResultColumn kStandardStrings[] = {{"standard_conforming_strings"}};
constexpr ResultColumn kDefaultIsolation[] = {{"default_transaction_isolation"}};
constexpr ResultColumn kIsolation[] = {{"transaction_isolation"}};
constexpr ResultColumn kServerVersion[] = {{"server_version"}};
constexpr ResultColumn kSearchPath[] = {{"search_path"}};
constexpr ResultColumn kApplicationName[] = {{"application_name"}};
constexpr ResultColumn kExtraFloatDigits[] = {{"extra_float_digits"}};

constexpr ShowSpec setting(std::string_view topic, std::span<const ResultColumn> columns,
                           const char* value) {
    return {.topic = topic, .columns = columns, .fixed_value = value};
}

constexpr ShowSpec kSettings[] = {
    setting("client_encoding", kClientEncoding, "UTF-8"),
    setting("datestyle", kDateStyle, "ISO"),
    setting("timezone", kTimeZone, "GMT"),
    setting("standard_conforming_strings", kStandardStrings, "on"),
    setting("default_transaction_isolation", kDefaultIsolation, "read committed"),
    setting("transaction_isolation", kIsolation, "read committed"),
    setting("transaction isolation level", kIsolation, "read committed"),
    setting("server_version", kServerVersion, kConsoleServerVersion),
    setting("search_path", kSearchPath, ""),
    setting("application_name", kApplicationName, ""),
    setting("extra_float_digits", kExtraFloatDigits, "2"),
};

// In the order of SHOW HELP.
constexpr const ShowSpec* kShows[] = {
    &kShowHelp,          &kShowVersion,       &kShowState,        &kShowConfig,     &kShowDatabases,
    &kShowUsers,         &kShowPools,         &kShowClients,      &kShowServers,    &kShowStats,
    &kShowStatsTotals,   &kShowStatsAverages, &kShowTotals,       &kShowLists,      &kShowMem,
    &kShowBackends,      &kShowHealth,        &kShowHealthEvents, &kShowBreakers,   &kShowSockets,
    &kShowActiveSockets, &kShowFds,           &kShowPeers,        &kShowPeerPools,  &kShowDnsHosts,
    &kShowDnsZones,      &kShowRateLimits,    &kShowLeaks,        &kShowLeakTotals, &kShowPoolSizes,
    &kShowRoutes,        &kShowWaiters,       &kShowEvents,       &kShowWorkers,    &kShowMemory,
    &kShowQueries,       &kShowSlow,          &kShowQueryTotals,
};

}  // namespace

std::span<const ShowSpec* const> show_table() {
    return kShows;
}

std::span<const ShowSpec> setting_table() {
    return kSettings;
}

const ShowSpec* find_show(std::string_view topic) {
    for (const ShowSpec* spec : kShows) {
        if (equals_ignoring_case(spec->topic, topic)) return spec;
    }
    return find_setting(topic);
}

const ShowSpec* find_setting(std::string_view name) {
    for (const ShowSpec& spec : kSettings) {
        if (equals_ignoring_case(spec.topic, name)) return &spec;
    }
    return nullptr;
}

CommandOutcome run_show(const ShowSpec& spec, const ShowInput& input) {
    CommandOutcome outcome = CommandOutcome::done("SHOW");
    if (spec.fixed_value != nullptr) {
        outcome.rows.push_back({spec.fixed_value});
    } else {
        spec.fill(input, outcome);
    }
    return outcome;
}

}  // namespace weir
