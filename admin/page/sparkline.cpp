#include "admin/page/sparkline.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace weir {

namespace {

constexpr double kWidth = 360, kHeight = 48, kMargin = 3;

}  // namespace

Html sparkline(std::string_view title, std::string_view now, std::string_view peak,
               const std::vector<std::optional<double>>& values) {
    double top = 0;
    for (const std::optional<double>& value : values)
        top = std::max(top, value.value_or(0));
    std::string line, area;
    const double step = kWidth / static_cast<double>(std::max<size_t>(values.size(), 2) - 1);
    bool is_open = false;
    double x = 0, x_last = 0;
    for (const std::optional<double>& value : values) {
        if (value) {
            const double share = top > 0 ? *value / top : 0;
            const double y = kHeight - kMargin - share * (kHeight - 2 * kMargin);
            if (!is_open) area += fmt::format("M{:.1f} {:.0f}", x, kHeight);
            line += fmt::format("{}{:.1f} {:.1f}", is_open ? "L" : "M", x, y);
            area += fmt::format("L{:.1f} {:.1f}", x, y);
            is_open = true;
            x_last = x;
        } else if (is_open) {
            area += fmt::format("L{:.1f} {:.0f}Z", x_last, kHeight);
            is_open = false;
        }
        x += step;
    }
    if (is_open) area += fmt::format("L{:.1f} {:.0f}Z", x_last, kHeight);
    Html out = Html::markup("<figure><figcaption>") + Html::text(title) + "</figcaption><b>" +
               Html::text(now) + "</b>";
    if (top > 0) out += Html::markup("<small>peak ") + Html::text(peak) + "</small>";
    out += fmt::format(
        "<svg viewBox=\"0 0 {:.0f} {:.0f}\" preserveAspectRatio=\"none\" role=\"img\" "
        "aria-label=\"",
        kWidth, kHeight);
    out += Html::text(fmt::format("{}: the last hour, at most {}", title, peak));
    out += fmt::format("\"><path class=\"base\" d=\"M0 {0}H{1}", kHeight - kMargin, kWidth);
    out += "\"/><path class=\"area\" d=\"" + area + "\"/><path class=\"line\" d=\"" + line +
           "\"/></svg>";
    return out + "</figure>";
}

}  // namespace weir
