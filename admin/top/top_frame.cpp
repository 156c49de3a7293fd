#include "admin/top/top_frame.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>

#include "admin/top/top_text.h"
#include "protocol/base/lower_case.h"

namespace weir {

namespace {

constexpr size_t kHeadLines = 5;  // bar, two of figures, tabs, heading

const TopView& view_of(const TopState& state) {
    return top_views()[state.view];
}

std::string_view sort_of(const TopState& state) {
    return state.sort.empty() ? view_of(state).sort : std::string_view(state.sort);
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789.-") == std::string_view::npos &&
           std::count(text.begin(), text.end(), '-') <= 1;
}

std::string shown(const TopColumn& column, std::string_view text) {
    if (text.empty()) return "";
    switch (column.format) {
        case TopFormat::Count: return shown_count(to_number(text));
        case TopFormat::Us: return shown_us(to_number(text));
        case TopFormat::Bytes: return shown_bytes(to_number(text));
        default: return harmless(text);
    }
}

// The columns that fit.
std::vector<TopColumn> fitting(const TopView& view, size_t width) {
    std::vector<TopColumn> columns(view.columns.begin(), view.columns.end());
    const auto taken = [&columns] {
        size_t sum = 0;
        for (const TopColumn& column : columns)
            sum += column.width == 0 ? size_t{0} : column.width + size_t{1};
        return sum;
    };
    while (taken() + view.rest_least > width) {
        const auto least =
            std::max_element(columns.begin(), columns.end(),
                             [](const auto& a, const auto& b) { return a.drop < b.drop; });
        if (least == columns.end() || least->drop == 0) break;
        columns.erase(least);
    }
    return columns;
}

size_t width_of(const TopColumn& column, size_t taken, size_t width) {
    if (column.width != 0) return column.width;
    return width > taken ? width - taken : 0;
}

std::string line_of(const std::vector<TopColumn>& columns, size_t width,
                    const std::function<std::string(const TopColumn&)>& cell) {
    std::string line;
    size_t taken = 0;
    for (const TopColumn& column : columns) {
        const size_t room = width_of(column, taken, width);
        const bool is_right = column.format != TopFormat::Text && column.width != 0;
        line += fitted(cell(column), room, is_right);
        taken += room;
        if (taken < width) {
            line += ' ';
            ++taken;
        }
    }
    return fitted(line, width, false);
}

double rate(const TopData& now, const TopData* before, std::string_view counter) {
    if (before == nullptr || now.seconds <= before->seconds) return 0;
    const double grown = now.stats.sum(counter) - before->stats.sum(counter);
    return std::max(grown, 0.0) / (now.seconds - before->seconds);
}

double mean(const TopData& now, const TopData* before, std::string_view time,
            std::string_view count) {
    const double of = rate(now, before, count);
    return of > 0 ? rate(now, before, time) / of : 0;
}

std::vector<TopLine> head(const TopState& state, const TopData& now, const TopData* before,
                          size_t width) {
    std::vector<TopLine> lines;
    std::string bar =
        fmt::format(" weir top  {}  {}", harmless(state.server), harmless(state.version));
    if (state.is_paused) bar += "  PAUSED";
    bar += fmt::format("  every {:g}s", state.interval_s);
    const size_t clock_at = width > state.clock.size() + 1 ? width - state.clock.size() - 1 : width;
    lines.push_back(
        {fitted(fitted(bar, clock_at, false) + state.clock + " ", width, false), TopStyle::Bar});
    if (!state.trouble.empty()) {
        lines.push_back({fitted(" " + harmless(state.trouble), width, false), TopStyle::Trouble});
    } else {
        lines.push_back(
            {fitted(
                 fmt::format(" {} txn/s  {} queries/s  in {}B/s  out {}B/s  query {}  wait {}",
                             shown_count(rate(now, before, "total_xact_count")),
                             shown_count(rate(now, before, "total_query_count")),
                             shown_bytes(rate(now, before, "total_received")),
                             shown_bytes(rate(now, before, "total_sent")),
                             shown_us(mean(now, before, "total_query_time", "total_query_count")),
                             shown_us(mean(now, before, "total_wait_time", "total_xact_count"))),
                 width, false),
             TopStyle::Strong});
    }
    const TopTable& pools = now.pools;
    const double idle = pools.sum("sv_idle") + pools.sum("sv_used");
    const double others = pools.sum("sv_login") + pools.sum("sv_tested") +
                          pools.sum("sv_being_canceled") + pools.sum("sv_active_cancel");
    const double active = pools.sum("sv_active");
    lines.push_back(
        {fitted(fmt::format(" clients {} ({} waiting, max {})  servers {} ({} active, {} idle, "
                            "{} other)  pools {}",
                            pools.sum("cl_active") + pools.sum("cl_waiting"),
                            pools.sum("cl_waiting"), shown_us(pools.max("wait")),
                            active + idle + others, active, idle, others, pools.rows.size()),
                width, false),
         pools.sum("cl_waiting") > 0 ? TopStyle::Trouble : TopStyle::Strong});
    return lines;
}

TopLine tabs(const TopState& state, size_t width) {
    std::string line = " ";
    for (size_t i = 0; i < top_views().size(); ++i) {
        const TopView& view = top_views()[i];
        line += fmt::format(fmt::runtime(i == state.view ? "[{} {}]" : " {} {} "), view.key,
                            view.title);
    }
    if (state.is_typing) {
        line += " /" + state.filter + "_";
    } else if (!state.filter.empty()) {
        line += " /" + state.filter;
    } else {
        line += "  h help";
    }
    return {fitted(line, width, false), TopStyle::Plain};
}

std::vector<std::string> help_lines() {
    return {
        "",
        "  1 to 6, Tab, left, right   choose a view",
        "  up, down, page up/down     move",
        "  Enter                      all of the row that is chosen; again: back to the list",
        "  < >                        sort by the column to the left, to the right",
        "  r                          the other way round",
        "  /                          show only rows that have this text; Esc: all",
        "  space, p                   stand still, go on",
        "  + -                        look less often, more often",
        "  h, ?                       this; again: back",
        "  q, Ctrl-C                  leave",
        "",
        "  Rates are those since the frame before. Literals of queries are masked.",
    };
}

// `name` and the value, over as many lines as it takes.
void add_detail(std::vector<std::string>& lines, std::string_view name, std::string_view value,
                size_t width) {
    constexpr size_t kIndent = 25;
    std::string line = fmt::format("  {:<22} ", harmless(name)) + harmless(value);
    while (line.size() > width && width > 2 * kIndent) {
        size_t cut = width;
        while (cut > kIndent && (static_cast<unsigned char>(line[cut]) & 0xc0) == 0x80)
            --cut;
        lines.push_back(line.substr(0, cut));
        line = std::string(kIndent, ' ') + line.substr(cut);
    }
    lines.push_back(line);
}

std::vector<std::string> detail_lines(const TopTable& table, size_t row, size_t width) {
    std::vector<std::string> lines = {""};
    const std::optional<size_t> query = table.find("query");  // what one looks for, at first
    if (query) add_detail(lines, table.columns[*query], table.rows[row][*query], width);
    for (size_t i = 0; i < table.columns.size(); ++i) {
        if (i != query) add_detail(lines, table.columns[i], table.rows[row][i], width);
    }
    return lines;
}

// The cursor on a row, and that row in sight.
void keep_in_sight(TopState& state, size_t rows, size_t room) {
    state.cursor = rows == 0 ? 0 : std::min(state.cursor, rows - 1);
    state.scroll = std::min(state.scroll, state.cursor);
    if (room > 0 && state.cursor >= state.scroll + room) state.scroll = state.cursor - room + 1;
}

void add_list(std::vector<TopLine>& lines, TopState& state, const TopData& now, size_t width,
              size_t height) {
    const std::vector<TopColumn> columns = fitting(view_of(state), width);
    const std::string_view sort = sort_of(state);
    lines.push_back({line_of(columns, width,
                             [&](const TopColumn& column) {
                                 const bool is_sort = column.name == sort;
                                 return std::string(column.title) + (is_sort ? "*" : "");
                             }),
                     TopStyle::Heading});
    const std::vector<size_t> rows = chosen_rows(state, now);
    const size_t room = height == 0 ? rows.size() : height - std::min(height, kHeadLines);
    keep_in_sight(state, rows.size(), room);
    for (size_t i = state.scroll; i < rows.size() && i < state.scroll + room; ++i) {
        const size_t row = rows[i];
        lines.push_back({line_of(columns, width,
                                 [&](const TopColumn& column) {
                                     return shown(column, now.view.text(row, column.name));
                                 }),
                         i == state.cursor && height > 0 ? TopStyle::Chosen : TopStyle::Plain});
    }
    if (rows.empty()) {
        const bool is_filtered = !now.view.rows.empty();
        lines.push_back(
            {fitted(is_filtered ? "  nothing that the filter lets through" : "  nothing", width,
                    false),
             TopStyle::Plain});
    }
}

}  // namespace

void complete(TopData& now, const TopData* before) {
    const auto add_us = [](TopTable& table, const char* name, const char* whole, const char* us) {
        if (!table.find(us)) return;
        for (size_t row = 0; row < table.rows.size(); ++row) {
            const double value = table.number(row, whole) * 1e6 + table.number(row, us);
            table.rows[row].push_back(fmt::format("{:.0f}", value));
        }
        table.columns.emplace_back(name);
    };
    add_us(now.pools, "wait", "maxwait", "maxwait_us");
    add_us(now.view, "wait", "maxwait", "maxwait_us");
    add_us(now.view, "wait_all", "wait", "wait_us");
    const bool is_same = before != nullptr && before->view_index == now.view_index;
    const TopTable none;
    const TopTable& then = is_same ? before->view : none;
    const double seconds = is_same ? now.seconds - before->seconds : 0;
    if (now.view.find("calls"))
        now.view.add_rate("calls_rate", "calls", {"database", "user", "digest"}, then, seconds);
    if (now.view.find("routed"))
        now.view.add_rate("routed_rate", "routed", {"name", "host", "port"}, then, seconds);
}

std::vector<size_t> chosen_rows(const TopState& state, const TopData& data) {
    std::vector<size_t> rows;
    if (data.view_index != state.view) return rows;
    const TopTable& table = data.view;
    const std::string wanted = lower_case(state.filter);
    for (size_t row = 0; row < table.rows.size(); ++row) {
        const bool passes =
            wanted.empty() ||
            std::any_of(table.rows[row].begin(), table.rows[row].end(),
                        [&](const std::string& cell) {
                            return lower_case(cell).find(wanted) != std::string::npos;
                        });
        if (passes) rows.push_back(row);
    }
    const std::string_view sort = sort_of(state);
    if (!table.find(sort)) return rows;
    const size_t at = *table.find(sort);
    bool are_numbers = false;
    for (const auto& row : table.rows) {
        if (row[at].empty()) continue;
        are_numbers = is_number(row[at]);
        if (!are_numbers) break;
    }
    // Numbers and times: the greatest first.
    const bool is_falling = (are_numbers || sort == "time") != state.is_reversed;
    const auto less = [&](size_t a, size_t b) {
        const std::string& one = table.rows[a][at];
        const std::string& other = table.rows[b][at];
        return are_numbers ? to_number(one) < to_number(other) : one < other;
    };
    std::stable_sort(rows.begin(), rows.end(),
                     [&](size_t a, size_t b) { return is_falling ? less(b, a) : less(a, b); });
    return rows;
}

std::vector<TopLine> make_frame(TopState& state, const TopData& now, const TopData* before,
                                size_t width, size_t height) {
    std::vector<TopLine> lines = head(state, now, before, width);
    lines.push_back(tabs(state, width));
    std::vector<std::string> page;
    const std::vector<size_t> rows = chosen_rows(state, now);
    if (state.is_help) {
        page = help_lines();
    } else if (state.is_detail && !rows.empty()) {
        keep_in_sight(state, rows.size(), 0);
        page = detail_lines(now.view, rows[state.cursor], width);
    } else {
        add_list(lines, state, now, width, height);
    }
    for (const std::string& line : page)
        lines.push_back({fitted(line, width, false), TopStyle::Plain});
    if (height > 0 && lines.size() > height) lines.resize(height);
    return lines;
}

std::string next_sort(const TopState& state, int step) {
    const std::span<const TopColumn> columns = view_of(state).columns;
    const auto found = std::find_if(columns.begin(), columns.end(), [&](const TopColumn& column) {
        return column.name == sort_of(state);
    });
    const auto count = static_cast<int>(columns.size());
    const int at = static_cast<int>(found - columns.begin()) + step;
    return std::string(columns[static_cast<size_t>(std::clamp(at, 0, count - 1))].name);
}

}  // namespace weir
