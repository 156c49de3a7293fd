#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "admin/page/html.h"
#include "admin/page/view.h"

namespace weir {

namespace {

constexpr double kLongWaitS = 1;
constexpr double kNearlyFull = 0.9;

void add_backends(const Shown& backends, std::vector<Trouble>& out) {
    for (size_t i = 0; i < backends.size(); ++i) {
        const std::string state = backends.text(i, "state");
        const std::string why = backends.text(i, "why");
        const std::string error = backends.text(i, "probe_error");
        if (state == "UP" && error.empty()) continue;
        const bool is_out = state == "EJECTED" || state == "DOWN";
        std::string text = state == "UP" ? "UP, but the last probe failed" : state;
        if (state != "UP" && !why.empty()) text += ": " + why;
        if (!error.empty() && error != why) text += " (" + error + ")";
        out.push_back({is_out, "backend " + backends.text(i, "name"), std::move(text)});
    }
}

void add_pools(const Shown& pools, std::vector<Trouble>& out) {
    for (size_t i = 0; i < pools.size(); ++i) {
        const double waiting = pools.number(i, "cl_waiting");
        const double longest =
            pools.number(i, "maxwait") + pools.number(i, "maxwait_us") / 1'000'000;
        if (waiting == 0 || longest < kLongWaitS) continue;
        out.push_back(
            {longest >= 10 * kLongWaitS,
             "pool " + pools.text(i, "database") + " / " + pools.text(i, "user"),
             fmt::format("{} client{} for a server, the longest for {}; servers: {} active, {} "
                         "idle, {} logging in",
                         number_text(waiting), waiting == 1 ? " waits" : "s wait",
                         age_text(longest), number_text(pools.number(i, "sv_active")),
                         number_text(pools.number(i, "sv_idle")),
                         number_text(pools.number(i, "sv_login")))});
    }
}

// What health says of backends or their clusters: two primaries, panic, an old timeline.
void add_alerts(const Shown& health, std::vector<Trouble>& out) {
    std::string told;  // of a cluster all its backends say the same
    for (size_t i = 0; i < health.size(); ++i) {
        const std::string alerts = health.text(i, "alerts");
        if (alerts.empty() || alerts == told) continue;
        told = alerts;
        out.push_back({true, "backend " + health.text(i, "backend"), alerts});
    }
}

void add_leaks(const Shown& leaks, std::vector<Trouble>& out) {
    for (size_t i = 0; i < leaks.size(); ++i) {
        const double open = leaks.number(i, "open");
        if (open == 0) continue;
        const std::string application = leaks.text(i, "application_name");
        out.push_back({false, "leak " + leaks.text(i, "kind"),
                       fmt::format("{}, {} open, of {}{}", leaks.text(i, "name"), number_text(open),
                                   leaks.text(i, "database"),
                                   application.empty() ? "" : " by " + application)});
    }
}

}  // namespace

const Shown* PageView::find(std::string_view topic) const {
    for (const Shown& shown : tables) {
        if (shown.topic() == topic) return &shown;
    }
    return nullptr;
}

std::vector<Trouble> troubles(const PageView& view) {
    std::vector<Trouble> out;
    if (!view.readiness.process.empty())
        out.push_back({true, "the process", view.readiness.process});
    for (const Unready& one : view.readiness.databases) {
        out.push_back({true, "database " + one.database,
                       one.why + (one.detail.empty() ? "" : ": " + one.detail)});
    }
    for (const LoginFailure& one : view.failures) {
        const auto is_of_it = [&one](const Unready& u) { return u.database == one.database; };
        if (std::any_of(view.readiness.databases.begin(), view.readiness.databases.end(), is_of_it))
            continue;
        out.push_back({false, "pool " + one.database + " / " + one.user,
                       "no server, the last login failed: " + one.text});
    }
    if (view.clients_max > 0 &&
        static_cast<double>(view.clients) >= kNearlyFull * static_cast<double>(view.clients_max)) {
        out.push_back({view.clients >= view.clients_max, "clients",
                       fmt::format("{} of max_client_conn = {}", view.clients, view.clients_max)});
    }
    if (const Shown* backends = view.find("BACKENDS")) add_backends(*backends, out);
    if (const Shown* health = view.find("HEALTH")) add_alerts(*health, out);
    if (const Shown* pools = view.find("POOLS")) add_pools(*pools, out);
    if (const Shown* leaks = view.find("LEAKS")) add_leaks(*leaks, out);
    std::stable_sort(out.begin(), out.end(),
                     [](const Trouble& a, const Trouble& b) { return a.is_bad > b.is_bad; });
    return out;
}

}  // namespace weir
