// One frame of `weir top` as lines of text, from what the console has answered and what the person
// has chosen. Knows no terminal. Thread: any (values, pure functions).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "admin/top/top_table.h"
#include "admin/top/top_views.h"

namespace weir {

// What the console said at one moment.
struct TopData {
    TopTable pools, stats;  // always
    TopTable view;          // of the view that is shown
    size_t view_index = 0;
    double seconds = 0;  // of a monotonic clock
};

struct TopState {
    size_t view = 0;
    std::string sort;          // column; empty = that of the view
    bool is_reversed = false;  // the other way round than the view would
    std::string filter;        // rows that have it somewhere, in any letter case
    bool is_typing = false;    // the filter
    bool is_paused = false;
    bool is_help = false;
    bool is_detail = false;  // all of the chosen row
    size_t cursor = 0;       // row, from the top of the list
    size_t scroll = 0;       // first row that is shown
    double interval_s = 2;
    std::string server;   // whom we ask: host:port
    std::string version;  // what it says it is
    std::string trouble;  // why there is nothing new; empty = all is well
    std::string clock;    // the time of day
};

enum class TopStyle : uint8_t { Plain, Bar, Heading, Chosen, Strong, Trouble };
struct TopLine {
    std::string text;
    TopStyle style = TopStyle::Plain;
};

// Adds columns of ours to the view's table: rates, and times that the console gives in two parts.
void complete(TopData& now, const TopData* before);
// Indices of the rows that pass the filter, in their order.
std::vector<size_t> chosen_rows(const TopState& state, const TopData& data);
// At most `height` lines, each of `width` columns; height 0: as many as there are. Corrects the
// cursor and the scroll of `state`, which may point beyond the end.
std::vector<TopLine> make_frame(TopState& state, const TopData& now, const TopData* before,
                                size_t width, size_t height);
// The column to sort by after this one: of those that the view has, `step` further.
std::string next_sort(const TopState& state, int step);

}  // namespace weir
