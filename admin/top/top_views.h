// The views of `weir top`: which table of the console each shows, which of its columns, and how.
// Thread: constant data.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace weir {

enum class TopFormat : uint8_t { Text, Plain, Count, Us, Bytes, Seconds };

struct TopColumn {
    std::string_view name;  // of the console, or one of ours (rates)
    std::string_view title;
    uint8_t width = 0;  // 0: what is left of the line; the last one
    TopFormat format = TopFormat::Text;
    uint8_t drop = 0;  // goes when the line is too short, the highest number first; 0 stays
};

struct TopView {
    std::string_view title;
    char key;
    std::string_view query;
    std::span<const TopColumn> columns;
    std::string_view sort;  // by this column to begin with; the greatest first when it is a number
    uint8_t rest_least = 10;  // columns of the terminal that the last one wants
};

std::span<const TopView> top_views();

}  // namespace weir
