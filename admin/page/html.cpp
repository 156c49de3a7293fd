#include "admin/page/html.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

namespace weir {

Html Html::text(std::string_view text) {
    Html out;
    for (const char c : text) {
        switch (c) {
            case '&': out.text_ += "&amp;"; break;
            case '<': out.text_ += "&lt;"; break;
            case '>': out.text_ += "&gt;"; break;
            case '"': out.text_ += "&quot;"; break;
            case '\'': out.text_ += "&#39;"; break;
            default:
                // HTML has no other control characters, and names may hold any.
                if ((static_cast<unsigned char>(c) < ' ' && c != '\t' && c != '\n') || c == '\x7f')
                    out.text_ += "\xef\xbf\xbd";
                else
                    out.text_ += c;
        }
    }
    return out;
}

Html badge(std::string_view kind, std::string_view text) {
    return Html::markup("<span class=\"badge ") + kind + "\">" + Html::text(text) + "</span>";
}

namespace {

std::string classes(const TableColumn& column) {
    std::string out;
    if (column.is_number) out += " n";
    if (column.is_minor) out += " minor";
    if (column.is_query) out += " q";
    return out.empty() ? "" : " class=\"" + out.substr(1) + "\"";
}

}  // namespace

Html table(std::string_view caption, std::span<const TableColumn> columns,
           const std::vector<std::vector<Html>>& rows, size_t rows_max) {
    Html out = Html::markup("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"") +
               Html::text(caption) + "\"><table><caption>" + Html::text(caption) +
               "</caption><thead><tr>";
    for (const TableColumn& column : columns)
        out += Html::markup("<th scope=\"col\"" + classes(column) + ">") +
               Html::text(column.title) + "</th>";
    out += "</tr></thead><tbody>";
    for (size_t r = 0; r < std::min(rows.size(), rows_max); ++r) {
        out += "<tr>";
        for (size_t i = 0; i < columns.size(); ++i) {
            const char* tag = i == 0 ? "th" : "td";
            out += std::string("<") + tag + (i == 0 ? " scope=\"row\"" : "") + classes(columns[i]) +
                   ">";
            out += rows[r][i];
            out += std::string("</") + tag + ">";
        }
        out += "</tr>";
    }
    out += "</tbody></table></div>";
    if (rows.size() > rows_max) {
        out += fmt::format("<p class=\"more\">and {} more; the console has them all</p>",
                           number_text(static_cast<double>(rows.size() - rows_max)));
    }
    return out;
}

std::string number_text(double number) {
    if (number > 0 && number < 100 && std::fabs(number - std::round(number)) > 0.049)
        return fmt::format("{:.1f}", number);
    std::string digits = fmt::format("{:.0f}", number);
    for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
        digits.insert(static_cast<size_t>(at), ",");
    return digits;
}

std::string ms_text(double ms) {
    if (ms >= 10'000) return age_text(ms / 1000);
    if (ms >= 1000) return fmt::format("{:.1f} s", ms / 1000);
    if (ms >= 100) return fmt::format("{:.0f} ms", ms);
    if (ms >= 10) return fmt::format("{:.1f} ms", ms);
    if (ms >= 1) return fmt::format("{:.2f} ms", ms);
    return fmt::format("{:.0f} \xc2\xb5s", ms * 1000);
}

std::string age_text(double seconds) {
    if (seconds < 10) return fmt::format("{:.1f} s", seconds);
    if (seconds < 120) return fmt::format("{:.0f} s", seconds);
    if (seconds < 7200) return fmt::format("{:.0f} min", std::floor(seconds / 60));
    if (seconds < 172'800) return fmt::format("{:.0f} h", std::floor(seconds / 3600));
    return fmt::format("{:.0f} d", std::floor(seconds / 86'400));
}

}  // namespace weir
