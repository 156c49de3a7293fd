#include "conf/backend_check.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "conf/value.h"
#include "conf/words.h"

namespace weir {

namespace {

Contradiction times(const char* option, Duration value, const char* relation, const char* other,
                    Duration other_value) {
    return {option, other,
            fmt::format("{} ({} s) {} {} ({} s); change one of them", option, seconds_text(value),
                        relation, other, seconds_text(other_value))};
}

// The first backend of which an earlier one is the same server, and that earlier one.
std::pair<const BackendConfig*, const BackendConfig*> find_twice(
    const std::vector<BackendConfig>& backends) {
    for (size_t later = 1; later < backends.size(); ++later) {
        for (size_t earlier = 0; earlier < later; ++earlier) {
            if (is_same_endpoint(backends[earlier], backends[later])) {
                return {&backends[earlier], &backends[later]};
            }
        }
    }
    return {nullptr, nullptr};
}

void check_database(const DatabaseConfig& db, const PlaceOf& place_of,
                    std::vector<ConfigError>& errors) {
    const auto complain = [&](const std::string& text) {
        const IniPlace at = place_of("databases", db.name);
        add_error(errors, {at.file, at.line, fmt::format("database \"{}\": {}", db.name, text)});
    };
    const std::vector<BackendConfig>& backends = db.backends;
    if (std::all_of(backends.begin(), backends.end(),
                    [](const BackendConfig& b) { return b.weight == 0; })) {
        complain(
            "every backend has weight 0, so that none gets traffic; give one of them a "
            "weight");
    }
    if (const auto [first, second] = find_twice(backends); first != nullptr) {
        complain(
            fmt::format("the backends \"{}\" and \"{}\" are the same server, {} port {}; "
                        "remove one and give the other more weight",
                        first->name, second->name, first->host, first->port));
    }
    std::string primaries;
    size_t count = 0;
    for (const BackendConfig& backend : backends) {
        if (backend.role != BackendRole::Primary) continue;
        primaries += fmt::format("{}\"{}\"", count++ == 0 ? "" : ", ", backend.name);
    }
    if (count > 1) {
        complain(
            fmt::format("the backends {} all have role=primary; keep it for one, or write "
                        "role=auto",
                        primaries));
    }
}

}  // namespace

std::vector<Contradiction> contradictions(const GlobalConfig& g) {
    std::vector<Contradiction> found;
    if (g.lag_hard < g.lag_soft) {
        found.push_back(times("lag_hard", g.lag_hard, "is below", "lag_soft", g.lag_soft));
    }
    if (g.probe_timeout >= g.probe_interval) {
        found.push_back(times("probe_timeout", g.probe_timeout, "is not below", "probe_interval",
                              g.probe_interval));
    }
    if (g.probe_interval_fast > g.probe_interval) {
        found.push_back(times("probe_interval_fast", g.probe_interval_fast, "is above",
                              "probe_interval", g.probe_interval));
    }
    if (g.ejection_time > g.ejection_time_max) {
        found.push_back(times("ejection_time", g.ejection_time, "is above", "ejection_time_max",
                              g.ejection_time_max));
    }
    if (g.degraded_below >= g.up_from) {
        found.push_back({"degraded_below", "up_from",
                         fmt::format("degraded_below ({}) is not below up_from ({}); change one of "
                                     "them",
                                     g.degraded_below, g.up_from)});
    }
    const bool is_direct = g.server_tls_negotiation == TlsNegotiation::Direct;
    if (is_direct && g.server_tls_sslmode < SslMode::Require) {
        found.push_back(
            {"server_tls_negotiation", "server_tls_sslmode",
             fmt::format("server_tls_negotiation = direct leaves no way to go on "
                         "without TLS, which server_tls_sslmode = {} allows; change "
                         "one of them",
                         word_text(static_cast<int>(g.server_tls_sslmode), kSslModeWords))});
    }
    return found;
}

std::vector<ConfigError> check_backends(const Config& config, const PlaceOf& place_of) {
    std::vector<ConfigError> errors;
    for (Contradiction& found : contradictions(config.global)) {
        IniPlace at = place_of("weir", found.option);
        if (at.line == 0) at = place_of("weir", found.other);
        errors.push_back({at.file, at.line, std::move(found.message)});
    }
    for (const auto& [name, database] : config.databases) {
        check_database(database, place_of, errors);
    }
    if (config.wildcard_database) check_database(*config.wildcard_database, place_of, errors);
    return errors;
}

}  // namespace weir
