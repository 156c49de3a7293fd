#include "admin/page/render.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <numeric>

#include "admin/page/sections.h"
#include "admin/page/sparkline.h"

namespace weir {

namespace {

Html card(const PageHistory& history, std::string_view title,
          std::optional<double> (*value)(const HistorySample&), std::string (*text)(double)) {
    std::vector<std::optional<double>> values;
    double peak = 0;
    for (const std::optional<HistorySample>& sample : history.last_hour()) {
        values.push_back(sample ? value(*sample) : std::nullopt);
        peak = std::max(peak, values.back().value_or(0));
    }
    const std::optional<HistorySample> latest = history.latest();
    const std::optional<double> now = latest ? value(*latest) : std::nullopt;
    return sparkline(title, now ? text(*now) : "\xe2\x80\x93", text(peak), values);
}

Html cards(const PageHistory& history) {
    using Value = std::optional<double>;
    using Sample = HistorySample;
    Html out = Html::markup("<div class=\"cards\">");
    out += card(
        history, "transactions / s", [](const Sample& s) -> Value { return s.transactions; },
        number_text);
    out += card(
        history, "queries / s", [](const Sample& s) -> Value { return s.queries; }, number_text);
    out += card(
        history, "errors / s", [](const Sample& s) -> Value { return s.errors; }, number_text);
    out += card(
        history, "mean query", [](const Sample& s) -> Value { return s.query_ms; }, ms_text);
    out += card(
        history, "mean wait", [](const Sample& s) -> Value { return s.wait_ms; }, ms_text);
    out += card(
        history, "clients waiting", [](const Sample& s) -> Value { return s.waiting; },
        number_text);
    out += card(
        history, "servers active", [](const Sample& s) -> Value { return s.active; }, number_text);
    return out + "</div>";
}

Html wrong(const std::vector<Trouble>& all) {
    if (all.empty()) {
        return Html::markup(
            "<ul class=\"wrong\"><li class=\"good\"><strong>All is well.</strong> <span>Every "
            "database can be served, nobody waits for long.</span></li></ul>");
    }
    constexpr size_t kMost = 25;
    Html out = Html::markup("<ul class=\"wrong\">");
    for (size_t i = 0; i < std::min(all.size(), kMost); ++i) {
        out += all[i].is_bad ? "<li class=\"bad\"><strong>" : "<li class=\"warn\"><strong>";
        out += Html::text(all[i].subject) + "</strong> <span>" + Html::text(all[i].text) +
               "</span></li>";
    }
    out += "</ul>";
    if (all.size() > kMost)
        out += fmt::format("<p class=\"more\">and {} more</p>", all.size() - kMost);
    return out;
}

Html status(const PageView& view, const std::vector<Trouble>& all) {
    const auto bad = static_cast<size_t>(
        std::count_if(all.begin(), all.end(), [](const Trouble& t) { return t.is_bad; }));
    if (!view.readiness.is_ready() || bad > 0) return badge("bad", "not well");
    if (!all.empty()) return badge("warn", "look at this");
    return badge("good", "well");
}

Html live(std::string_view id, const Html& content) {
    return Html::markup("<section data-live id=\"") + id + "\">" + content + "</section>";
}

// Nothing when there is nothing to show.
Html titled(std::string_view id, std::string_view title, const Html& content) {
    if (content.is_empty()) return live(id, {});
    return live(id, Html::markup("<h2>") + title + "</h2>" + content);
}

}  // namespace

std::string render_page(const PageView& view, std::string_view nonce) {
    const bool is_whole = !nonce.empty();
    const std::vector<Trouble> all = troubles(view);
    const std::string count =
        all.empty() ? "" : fmt::format("({}) ", std::min<size_t>(all.size(), 99));
    Html out = Html::markup(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
        "<meta name=\"color-scheme\" content=\"light dark\">"
        "<link rel=\"icon\" href=\"icon.svg\" type=\"image/svg+xml\">"
        "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>");
    out += "<title>" + count + "Weir</title>";
    if (is_whole) {
        out +=
            "<style nonce=\"" + std::string(nonce) + "\">" + std::string(kPageStyle) + "</style>";
    }
    out += "</head><body>";
    out += "<div id=\"stale\" role=\"alert\">No answer: what you see is old.</div><header><h1>";
    out += std::string(kPageIcon) + "Weir</h1><p data-live id=\"status\">";
    out += status(view, all) + "</p><p class=\"when\" data-live id=\"when\">";
    out += Html::text(fmt::format("{} \xc2\xb7 up {}", view.time, age_text(view.uptime_s)));
    out += "</p></header><main>";
    out += titled("wrong", "What is wrong now", wrong(all));
    out += titled("hour", "The last hour", cards(*view.history));
    out += titled("pools", "Pools", pools_section(view));
    out += titled("backends", "Backends", backends_section(view));
    out += titled("waiting", "Waiting clients", waiting_section(view));
    out += titled("queries", "Top queries", queries_section(view));
    out += titled("leaks", "Leaks", leaks_section(view));
    out += titled("events", "Recent events", events_section(view));
    out += titled("workers", "Workers", workers_section(view));
    out += "</main><footer data-live id=\"foot\">";
    out +=
        Html::text(fmt::format("Weir {} \xc2\xb7 {} of {} clients \xc2\xb7 rates are of the "
                               "last ten seconds",
                               view.version, number_text(static_cast<double>(view.clients)),
                               number_text(static_cast<double>(view.clients_max))));
    out += "</footer>";
    if (is_whole) {
        out += "<script nonce=\"" + std::string(nonce) + "\">" + std::string(kPageScript) +
               "</script>";
    }
    out += "</body></html>\n";
    return out.str();
}

}  // namespace weir
