#include "admin/top/top_text.h"

#include <spdlog/fmt/fmt.h>

#include <cstdint>

#include "protocol/base/utf8.h"

namespace weir {

namespace {

std::string scaled(double value, double step, std::string_view units) {
    size_t power = 0;
    while (value >= 999.5 && power < units.size()) {
        value /= step;
        ++power;
    }
    if (power == 0) return fmt::format("{:.0f}", value);
    return fmt::format(fmt::runtime(value < 99.95 ? "{:.1f}{}" : "{:.0f}{}"), value,
                       units[power - 1]);
}

}  // namespace

std::string shown_count(double count) {
    return scaled(count, 1000, "kMGTP");
}

std::string shown_bytes(double bytes) {
    return scaled(bytes, 1024, "KMGTP");
}

std::string shown_us(double us) {
    if (us < 0.5) return "0";
    if (us < 999.5) return fmt::format("{:.0f}us", us);
    if (us < 99'950) return fmt::format("{:.1f}ms", us / 1000);
    if (us < 999'500) return fmt::format("{:.0f}ms", us / 1000);
    if (us < 99'950'000) return fmt::format("{:.1f}s", us / 1e6);
    const auto seconds = static_cast<int64_t>(us / 1e6);
    return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
}

std::string shown_uptime(int64_t seconds) {
    const int64_t days = seconds / 86'400;
    const std::string clock =
        fmt::format("{}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    return days > 0 ? fmt::format("{}d {}", days, clock) : clock;
}

std::string harmless(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const size_t bytes = utf8_character_bytes(text);
        const auto first = static_cast<unsigned char>(text[0]);
        const bool is_control =
            first < 0x20 || first == 0x7f ||
            (bytes == 2 && first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0);
        if (bytes == 0 || is_control) {
            out += '?';
        } else {
            out += text.substr(0, bytes);
        }
        text.remove_prefix(bytes == 0 ? 1 : bytes);
    }
    return out;
}

std::string fitted(std::string_view text, size_t width, bool is_right) {
    size_t columns = 0, at = 0;
    while (at < text.size() && columns < width) {
        const size_t bytes = utf8_character_bytes(text.substr(at));
        at += bytes == 0 ? 1 : bytes;
        ++columns;
    }
    const std::string blanks(width - columns, ' ');
    const std::string shown(text.substr(0, at));
    return is_right ? blanks + shown : shown + blanks;
}

}  // namespace weir
