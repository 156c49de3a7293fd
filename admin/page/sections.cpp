#include "admin/page/sections.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <numeric>

namespace weir {

namespace {

constexpr size_t kPoolsMax = 50, kBackendsMax = 64, kQueriesMax = 20, kLeaksMax = 20,
                 kEventsMax = 20, kWorkersMax = 64;

using Row = std::vector<Html>;

// Zeros step back, so that what is not zero is seen.
Html figure(double number) {
    if (number == 0) return Html::markup("<span class=\"zero\">0</span>");
    return Html::text(number_text(number));
}

Html soft(std::string_view text) {
    return Html::markup("<span class=\"why\">") + Html::text(text) + "</span>";
}

Html time_of_us(const Shown& shown, size_t row, std::string_view column) {
    return Html::text(ms_text(shown.number(row, column) / 1000));
}

// The rows in another order: `before(a, b)` as of a sort.
template <typename Before>
std::vector<size_t> sorted(const Shown& shown, Before before) {
    std::vector<size_t> order(shown.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), before);
    return order;
}

double longest_wait(const Shown& pools, size_t row) {
    return pools.number(row, "maxwait") + pools.number(row, "maxwait_us") / 1'000'000;
}

// 2026-01-31 12:00:00 UTC -> 01-31 12:00:00
Html short_time(const std::string& text) {
    return Html::text(text.size() >= 19 ? text.substr(5, 14) : text);
}

std::string_view state_kind(std::string_view state) {
    if (state == "UP") return "good";
    if (state == "EJECTED" || state == "DOWN") return "bad";
    return state == "DRAINING" ? "calm" : "warn";
}

}  // namespace

Html pools_section(const PageView& view) {
    const Shown* pools = view.find("POOLS");
    if (pools == nullptr) return {};
    const auto busy = [pools](size_t row) {
        return pools->number(row, "sv_active") + pools->number(row, "cl_active");
    };
    const std::vector<size_t> order = sorted(*pools, [&](size_t a, size_t b) {
        const double wait_a = longest_wait(*pools, a), wait_b = longest_wait(*pools, b);
        return wait_a != wait_b ? wait_a > wait_b : busy(a) > busy(b);
    });
    static constexpr TableColumn kColumns[] = {
        {"database"},
        {"user"},
        {"clients", true},
        {"waiting", true},
        {"longest", true},
        {"active", true},
        {"idle", true},
        {"logging in", true, true},
        {"cleaning", true, true},
        {"mode", false, true},
    };
    std::vector<Row> rows;
    for (const size_t i : order) {
        if (pools->text(i, "database") == kConsoleDatabase) continue;
        const double waiting = pools->number(i, "cl_waiting"), wait = longest_wait(*pools, i);
        rows.push_back(
            {Html::text(pools->text(i, "database")), Html::text(pools->text(i, "user")),
             figure(pools->number(i, "cl_active")),
             waiting == 0 ? figure(0) : badge(wait < 1 ? "calm" : "warn", number_text(waiting)),
             wait == 0 ? Html::text("\xe2\x80\x93") : Html::text(ms_text(wait * 1000)),
             figure(pools->number(i, "sv_active")),
             figure(pools->number(i, "sv_idle") + pools->number(i, "sv_used")),
             figure(pools->number(i, "sv_login")),
             figure(pools->number(i, "sv_tested") + pools->number(i, "sv_active_cancel") +
                    pools->number(i, "sv_being_canceled")),
             soft(pools->text(i, "pool_mode"))});
    }
    if (rows.empty()) return Html::markup("<p class=\"none\">Nobody has logged in yet.</p>");
    return table("Pools: clients and servers of each database and user", kColumns, rows, kPoolsMax);
}

Html backends_section(const PageView& view) {
    const Shown* backends = view.find("BACKENDS");
    if (backends == nullptr || backends->size() == 0) return {};
    static constexpr TableColumn kColumns[] = {
        {"backend"},      {"state"},
        {"health"},       {"role"},
        {"in use", true}, {"waiting", true, true},
        {"lag", true},    {"weight", true, true},
        {"why"},
    };
    std::vector<Row> rows;
    for (size_t i = 0; i < backends->size(); ++i) {
        const std::string state = backends->text(i, "state");
        const double health = backends->number(i, "health");
        Html bar = Html::markup(
            fmt::format("<span class=\"health\"><meter min=\"0\" max=\"100\" low=\"50\" "
                        "high=\"70\" optimum=\"100\" "
                        "value=\"{0:.0f}\" aria-label=\"health\"></meter>{0:.0f}</span>",
                        health));
        const std::string lag = backends->text(i, "lag_seconds");
        const std::string error = backends->text(i, "probe_error");
        std::string why = backends->text(i, "why");
        if (!error.empty() && error != why) why += (why.empty() ? "" : "; ") + error;
        rows.push_back(
            {Html::text(backends->text(i, "name")), badge(state_kind(state), state), std::move(bar),
             Html::text(backends->text(i, "role")), figure(backends->number(i, "in_use")),
             figure(backends->number(i, "waiting")),
             Html::text(lag.empty() ? "\xe2\x80\x93"
                                    : ms_text(backends->number(i, "lag_seconds") * 1000)),
             Html::text(backends->text(i, "weight")), soft(why)});
    }
    return table("Backends: state and health of each server, and why", kColumns, rows,
                 kBackendsMax);
}

namespace {

// As SHOW WAITERS has it: also for what, and behind whom.
Html waiters_table(const Shown& waiters) {
    static constexpr TableColumn kColumns[] = {
        {"application"},
        {"database"},
        {"user"},
        {"waits for"},
        {"since", true},
        {"place", true, true},
        {"held by", false, true},
    };
    const std::vector<size_t> order = sorted(waiters, [&waiters](size_t a, size_t b) {
        return waiters.number(a, "wait_ms") > waiters.number(b, "wait_ms");
    });
    std::vector<Row> rows;
    for (const size_t i : order) {
        const std::string application = waiters.text(i, "application_name");
        rows.push_back({application.empty() ? soft("(none)") : Html::text(application),
                        Html::text(waiters.text(i, "database")),
                        Html::text(waiters.text(i, "user")),
                        Html::text(waiters.text(i, "waits_for")),
                        Html::text(ms_text(waiters.number(i, "wait_ms"))),
                        Html::text(waiters.text(i, "position")),
                        soft(waiters.text(i, "holder_application_name"))});
    }
    return table("Waiting clients, who waits longest first", kColumns, rows, PageView::kWaitingMax);
}

}  // namespace

Html waiting_section(const PageView& view) {
    const Shown* waiters = view.find("WAITERS");
    if (waiters != nullptr && waiters->size() > 0) return waiters_table(*waiters);
    if (view.waiting.empty()) return Html::markup("<p class=\"none\">Nobody waits.</p>");
    static constexpr TableColumn kColumns[] = {
        {"application"}, {"database"}, {"user"}, {"from", false, true}, {"waits for", true},
    };
    std::vector<Row> rows;
    for (const WaitingClient& client : view.waiting) {
        rows.push_back(
            {client.application_name.empty() ? soft("(none)") : Html::text(client.application_name),
             Html::text(client.database), Html::text(client.user), soft(client.addr),
             Html::text(ms_text(client.waited_s * 1000))});
    }
    Html out =
        table("Waiting clients, who waits longest first", kColumns, rows, PageView::kWaitingMax);
    if (view.waiting_count > rows.size()) {
        out += fmt::format("<p class=\"more\">{} wait in all</p>",
                           number_text(static_cast<double>(view.waiting_count)));
    }
    return out;
}

Html queries_section(const PageView& view) {
    const Shown* queries = view.find("QUERIES");
    if (queries == nullptr || queries->size() == 0) return {};
    const std::vector<size_t> order = sorted(*queries, [queries](size_t a, size_t b) {
        return queries->number(a, "total_us") > queries->number(b, "total_us");
    });
    static constexpr TableColumn kColumns[] = {
        {"query", false, false, true},
        {"database", false, true},
        {"calls", true},
        {"time", true},
        {"mean", true},
        {"p95", true, true},
        {"p99", true, true},
        {"waiting", true, true},
        {"errors", true, true},
    };
    std::vector<Row> rows;
    for (const size_t i : order) {
        rows.push_back(
            {Html::text(queries->text(i, "query")), Html::text(queries->text(i, "database")),
             figure(queries->number(i, "calls")), Html::text(queries->text(i, "percent") + " %"),
             time_of_us(*queries, i, "mean_us"), time_of_us(*queries, i, "p95_us"),
             time_of_us(*queries, i, "p99_us"), Html::text(queries->text(i, "wait_percent") + " %"),
             figure(queries->number(i, "errors"))});
    }
    return table("Queries that take most of the time", kColumns, rows, kQueriesMax);
}

Html leaks_section(const PageView& view) {
    const Shown* leaks = view.find("LEAKS");
    if (leaks == nullptr || leaks->size() == 0) return {};
    static constexpr TableColumn kColumns[] = {
        {"kind"},
        {"state"},
        {"application"},
        {"database"},
        {"held", true},
        {"times", true, true},
        {"why", false, true},
        {"last query", false, true, true},
    };
    std::vector<Row> rows;
    for (size_t i = 0; i < leaks->size(); ++i) {
        const std::string state = leaks->text(i, "state");
        rows.push_back({Html::text(leaks->text(i, "kind") + " " + leaks->text(i, "name")),
                        badge(state == "open" ? "warn" : "calm", state),
                        Html::text(leaks->text(i, "application_name")),
                        Html::text(leaks->text(i, "database")),
                        Html::text(age_text(leaks->number(i, "held_ms") / 1000)),
                        figure(leaks->number(i, "count")), soft(leaks->text(i, "reason")),
                        Html::text(leaks->text(i, "last_query"))});
    }
    return table("Leaks, those that go on first", kColumns, rows, kLeaksMax);
}

Html events_section(const PageView& view) {
    const Shown* events = view.find("EVENTS");
    const Shown* health = view.find("HEALTH_EVENTS");
    static constexpr TableColumn kColumns[] = {{"time"}, {"what"}, {"event"}, {"why", false, true}};
    std::vector<Row> rows;
    if (events != nullptr) {
        for (size_t i = events->size(); i-- > 0 && rows.size() < kEventsMax;) {
            rows.push_back({short_time(events->text(i, "time")),
                            Html::text(events->text(i, "kind") + " " + events->text(i, "subject")),
                            Html::text(events->text(i, "event")), soft(events->text(i, "detail"))});
        }
    } else if (health != nullptr) {
        for (size_t i = health->size(); i-- > 0 && rows.size() < kEventsMax;) {
            const std::string to = health->text(i, "to_state");
            const std::string from = health->text(i, "from_state");
            rows.push_back({short_time(health->text(i, "time")),
                            Html::text(health->text(i, "backend")),
                            to.empty() ? Html::text(health->text(i, "kind"))
                                       : Html::text(from + " \xe2\x86\x92 " + to),
                            soft(health->text(i, "why"))});
        }
    }
    if (rows.empty()) return {};
    return table("Recent events, the newest first", kColumns, rows, kEventsMax);
}

Html workers_section(const PageView& view) {
    const Shown* workers = view.find("WORKERS");
    if (workers == nullptr || workers->size() == 0) return {};
    static constexpr TableColumn kColumns[] = {
        {"worker"},
        {"clients", true},
        {"waiting", true},
        {"servers", true},
        {"transactions", true},
        {"queries", true, true},
        {"CPU", true},
        {"buffered bytes", true, true},
    };
    std::vector<Row> rows;
    for (size_t i = 0; i < workers->size(); ++i) {
        rows.push_back(
            {Html::text(workers->text(i, "worker")), figure(workers->number(i, "clients")),
             figure(workers->number(i, "waiting")), figure(workers->number(i, "servers")),
             figure(workers->number(i, "transactions")), figure(workers->number(i, "queries")),
             Html::text(ms_text(workers->number(i, "cpu_ms"))),
             figure(workers->number(i, "buffered_bytes"))});
    }
    return table("Workers", kColumns, rows, kWorkersMax);
}

}  // namespace weir
