#include "admin/page/page.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "admin/page/render.h"

namespace weir {

namespace {

constexpr size_t kFailuresMax = 20;
constexpr std::string_view kTopics[] = {"POOLS",   "BACKENDS", "HEALTH",        "LEAKS",  "WAITERS",
                                        "QUERIES", "EVENTS",   "HEALTH_EVENTS", "WORKERS"};

std::string utc_text(int64_t wall_us) {
    const time_t seconds = wall_us / 1'000'000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[32];
    const size_t size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
    return {text, size};
}

void add_waiting(PageView& view, std::span<const WorkerSnapshot> workers, Instant now) {
    std::vector<const ClientRow*> all;
    for (const WorkerSnapshot& worker : workers) {
        for (const ClientRow& client : worker.clients) {
            if (!client.waiting_since.is_never()) all.push_back(&client);
        }
    }
    view.waiting_count = all.size();
    const size_t shown = std::min(all.size(), PageView::kWaitingMax);
    std::partial_sort(
        all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown), all.end(),
        [](const ClientRow* a, const ClientRow* b) { return a->waiting_since < b->waiting_since; });
    for (size_t i = 0; i < shown; ++i) {
        const ClientRow& client = *all[i];
        const double waited = static_cast<double>((now - client.waiting_since).count()) / 1e6;
        view.waiting.push_back({client.database, client.user, client.application_name, client.addr,
                                std::max(waited, 0.0)});
    }
}

void add_failures(PageView& view, PoolSet& pools) {
    pools.for_each_pool([&view](const Pool& pool) {
        if (view.failures.size() >= kFailuresMax) return;
        if (const std::optional<Error> why = pool.why_unreachable())
            view.failures.push_back({pool.key().database, pool.key().user, why->message});
    });
}

}  // namespace

void StatusPage::add_routes(HttpRoutes& routes) {
    routes.add("/", [this](const HttpRequest& request, HttpAnswer answer) {
        answer_page(request, std::move(answer));
    });
    routes.add("/icon.svg", [](const HttpRequest&, const HttpAnswer& answer) {
        HttpResponse response;
        response.content_type = "image/svg+xml";
        response.body = kPageIcon;
        answer(std::move(response));
    });
}

void StatusPage::on_tick(Instant now) {
    if (inspector_.config()->global.metrics_listen.empty()) return;
    history_.on_tick(now, inspector_);
}

void StatusPage::answer_page(const HttpRequest& request, HttpAnswer answer) {
    console_.look_up(
        kTopics,
        [this, nonce = request.query == "parts" ? "" : request.nonce, answer = std::move(answer)](
            std::vector<LookedUp> tables, std::span<const WorkerSnapshot> workers) {
            const Instant now = inspector_.now();
            PageView view;
            view.readiness = readiness(inspector_);
            for (LookedUp& table : tables)
                view.tables.emplace_back(table.spec, std::move(table.rows));
            add_waiting(view, workers, now);
            add_failures(view, inspector_.pools());
            view.history = &history_;
            view.clients = static_cast<size_t>(std::max(inspector_.pools().clients.used(), 0));
            view.clients_max =
                static_cast<size_t>(std::max(inspector_.config()->global.max_client_conn, 0));
            view.version = WEIR_VERSION;
            view.time = utc_text(inspector_.wall_us(now));
            view.uptime_s = static_cast<double>((now - started_at_).count()) / 1e6;
            HttpResponse response;
            response.content_type = "text/html; charset=utf-8";
            response.body = render_page(view, nonce);
            answer(std::move(response));
        });
}

}  // namespace weir
