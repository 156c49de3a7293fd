#include "admin/http/readiness.h"

#include <spdlog/fmt/fmt.h>

#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "proxy/pool/route_survey.h"

namespace weir {

namespace {

std::string process_state(Inspector& inspector) {
    if (inspector.is_shutting_down()) return "shutting down";
    if (inspector.is_suspended()) return "suspended (SUSPEND)";
    if (inspector.pools().are_all_paused()) return "paused (PAUSE)";
    return {};
}

std::optional<Unready> operators_order(const DatabaseState* state, const std::string& name) {
    if (state == nullptr) return {};
    if (state->is_paused()) return Unready{name, "paused (PAUSE)", ""};
    if (state->disabled.load()) return Unready{name, "disabled (DISABLE)", ""};
    return {};
}

// The last backend of a role is never taken out, so that it takes work says little of it.
bool is_reachable(Inspector& inspector, const std::string& database, const Endpoint& endpoint) {
    const EndpointVerdict verdict = endpoint.verdict();
    if (is_sick(verdict)) return false;
    bool is_served = false, is_failing = false;
    inspector.pools().for_each_pool_of(database, [&](const Pool& pool) {
        if (pool.endpoint() != &endpoint) return;
        const Pool::Counts counts = pool.counts();
        is_served = is_served || counts.idle + counts.leased > 0;
        const std::optional<Error> why = pool.why_unreachable();
        is_failing = is_failing || (why && !why->sqlstate.starts_with("28"));
    });
    return is_served || !(verdict.is_connect_open || is_failing);
}

std::optional<Unready> judge_routed(Inspector& inspector, const Config& config,
                                    const DatabaseConfig& database) {
    const auto sketch = inspector.pools().sketch(config, database, database.user.value_or(""));
    const PoolMembers& members = sketch->members();
    std::vector<RoutePlace> places(members.list.size());
    std::vector<Candidate> candidates(members.list.size());
    const RouteWish wish{
        .wanted = database.target_session_attrs.value_or(config.global.target_session_attrs)};
    const RouteRequest request = survey(members, wish, 0, inspector.now(), places, candidates);
    std::map<std::string_view, size_t> reasons;
    for (size_t i = 0; i < places.size(); ++i) {
        const RouteStanding standing = standing_of(places[i], request);
        if (standing.rank == RouteRank::Never) {
            ++reasons[bar_text(standing.bar)];
        } else if (is_reachable(inspector, database.name, *members.list[i].pool->endpoint())) {
            return {};
        } else {
            ++reasons["it cannot be reached"];
        }
    }
    std::string all;
    for (const auto& [text, count] : reasons)
        all += fmt::format("{}{}: {}", all.empty() ? "" : ", ", count, text);
    return Unready{
        database.name,
        fmt::format("none of {} backends can serve a transaction ({})", places.size(), all), ""};
}

std::optional<Unready> judge_plain(Inspector& inspector, const DatabaseConfig& database) {
    std::optional<Error> failure;
    bool is_served = false;
    inspector.pools().for_each_pool_of(database.name, [&](const Pool& pool) {
        const Pool::Counts counts = pool.counts();
        is_served = is_served || counts.idle + counts.leased > 0;
        std::optional<Error> why = pool.why_unreachable();
        if (!why || (why->sqlstate.starts_with("28") && !database.user)) return;
        failure = std::move(why);
    });
    if (is_served || !failure) return {};
    return Unready{
        database.name,
        fmt::format("no server connection, the last login failed (SQLSTATE {})", failure->sqlstate),
        failure->message};
}

}  // namespace

Readiness readiness(Inspector& inspector) {
    Readiness out;
    out.process = process_state(inspector);
    const ConfigPtr config = inspector.config();
    for (const auto& [name, database] : config->databases) {
        std::optional<Unready> found = operators_order(inspector.pools().find_database(name), name);
        if (!found) {
            found = is_routed(*config, database) ? judge_routed(inspector, *config, database)
                                                 : judge_plain(inspector, database);
        }
        if (found) out.databases.push_back(std::move(*found));
    }
    return out;
}

void try_unreachable(Inspector& inspector) {
    inspector.pools().for_each_pool([](Pool& pool) {
        if (pool.why_unreachable()) pool.ask_for_trial();
    });
}

}  // namespace weir
