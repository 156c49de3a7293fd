// Goal: `weir top` shows what the console said, fits any terminal, obeys its keys, and lets nothing
// through that a terminal would obey. Method: frames of answers made by hand.
#include <doctest/doctest.h>

#include "admin/top/top_frame.h"
#include "admin/top/top_keys.h"
#include "admin/top/top_text.h"

namespace weir::top_test {
namespace {

TopData queries(double seconds, const std::string& calls) {
    TopData data;
    data.view_index = 2;
    data.seconds = seconds;
    data.view.columns = {"database", "user", "digest", "calls", "percent", "total_us", "query"};
    data.view.rows = {{"app", "u", "1", calls, "10", "500", "select ?"},
                      {"app", "v", "2", "7", "90", "4500", "update t set a = ?"}};
    data.stats.columns = {"database", "total_xact_count"};
    data.stats.rows = {{"app", calls}};
    data.pools.columns = {"cl_waiting", "maxwait", "maxwait_us"};
    data.pools.rows = {{"2", "1", "500000"}};
    return data;
}

std::string text_of(const std::vector<TopLine>& lines) {
    std::string out;
    for (const TopLine& line : lines)
        out += line.text + "\n";
    return out;
}

TEST_CASE("figures are short") {
    CHECK(shown_count(0) == "0");
    CHECK(shown_count(999) == "999");
    CHECK(shown_count(12'345) == "12.3k");
    CHECK(shown_count(123'456'789) == "123M");
    CHECK(shown_bytes(1536) == "1.5K");
    CHECK(shown_us(0) == "0");
    CHECK(shown_us(640) == "640us");
    CHECK(shown_us(12'340) == "12.3ms");
    CHECK(shown_us(2'500'000) == "2.5s");
    CHECK(shown_us(200e6) == "3m20s");
    CHECK(shown_uptime(3723) == "1:02:03");
    CHECK(shown_uptime(90'000) == "1d 1:00:00");
}

TEST_CASE("nothing reaches the terminal that it would obey") {
    CHECK(harmless("a\x1b[2Jb\x07\n") == "a?[2Jb??");
    CHECK(harmless("\xc2\x9b"
                   "31m") == "?31m");
    CHECK(harmless("caf\xc3\xa9 \xff") == "caf\xc3\xa9 ?");
}

TEST_CASE("texts are cut and filled by characters") {
    CHECK(fitted("abc", 5, false) == "abc  ");
    CHECK(fitted("abc", 5, true) == "  abc");
    CHECK(fitted("caf\xc3\xa9s", 4, false) == "caf\xc3\xa9");
    CHECK(fitted("abc", 0, false).empty());
}

TEST_CASE("a frame has rates since the one before, and the longest wait") {
    TopState state;
    state.view = 2;
    TopData before = queries(10, "100"), now = queries(12, "120");
    complete(before, nullptr);
    complete(now, &before);
    CHECK(now.view.text(0, "calls_rate") == "10.0");
    const std::string frame = text_of(make_frame(state, now, &before, 100, 0));
    CHECK(frame.find(" 10 txn/s") != std::string::npos);
    CHECK(frame.find("(2 waiting, max 1.5s)") != std::string::npos);
    CHECK(frame.find("[3 Queries]") != std::string::npos);
    // The greatest total first.
    CHECK(frame.find("update t") < frame.find("select ?"));
}

TEST_CASE("every frame has the size of its terminal") {
    TopData now = queries(12, "120");
    complete(now, nullptr);
    for (size_t view = 0; view < top_views().size(); ++view) {
        for (const size_t width : {0, 1, 20, 79, 80, 200}) {
            for (const size_t height : {1, 3, 5, 6, 24}) {
                TopState state;
                state.view = view;
                state.is_help = width == 79;
                state.is_detail = width == 200;
                const auto lines = make_frame(state, now, nullptr, width, height);
                CHECK(lines.size() <= height);
                for (const TopLine& line : lines)
                    CHECK(line.text.size() == width);
            }
        }
    }
}

TEST_CASE("the filter, the order and the cursor") {
    TopData now = queries(12, "120");
    complete(now, nullptr);
    TopState state;
    state.view = 2;
    state.filter = "UPDATE";
    CHECK(chosen_rows(state, now) == std::vector<size_t>{1});
    state.filter.clear();
    state.sort = "calls";
    CHECK(chosen_rows(state, now) == std::vector<size_t>{0, 1});
    state.is_reversed = true;
    CHECK(chosen_rows(state, now) == std::vector<size_t>{1, 0});
    state.cursor = 1000;
    (void)make_frame(state, now, nullptr, 80, 24);
    CHECK(state.cursor == 1);
    state.view = 0;  // what is known is of another view
    CHECK(chosen_rows(state, now).empty());
}

TEST_CASE("keys do what the help says") {
    TopState state;
    const auto type = [&state](char c) { return press(state, {TopKey::Text, c}, 10); };
    CHECK(type('3') == TopEffect::Fetch);
    CHECK(state.view == 2);
    CHECK(type('3') == TopEffect::Draw);
    CHECK(press(state, {TopKey::Right}, 10) == TopEffect::Fetch);
    CHECK(state.view == 3);
    CHECK(press(state, {TopKey::Left}, 10) == TopEffect::Fetch);
    CHECK(state.view == 2);
    type('/');
    for (const char c : {'q', '1', 'x'})
        CHECK(type(c) == TopEffect::Draw);  // text now
    press(state, {TopKey::Backspace}, 10);
    CHECK(state.filter == "q1");
    press(state, {TopKey::Enter}, 10);
    CHECK(!state.is_typing);
    press(state, {TopKey::Escape}, 10);
    CHECK(state.filter.empty());
    type('>');
    CHECK(state.sort == "rows");  // behind total_us
    type('<');
    CHECK(state.sort == "total_us");
    for (int i = 0; i < 50; ++i)
        type('<');
    CHECK(state.sort == "percent");
    type('r');
    CHECK(state.is_reversed);
    type('+');
    CHECK(state.interval_s == 5);
    type('-');
    type('-');
    CHECK(state.interval_s == 1);
    type('p');
    CHECK(state.is_paused);
    CHECK(type(' ') == TopEffect::Fetch);
    press(state, {TopKey::PageDown}, 10);
    CHECK(state.cursor == 10);
    press(state, {TopKey::Up}, 10);
    CHECK(state.cursor == 9);
    press(state, {TopKey::PageUp}, 10);
    CHECK(state.cursor == 0);
    type('h');
    CHECK(state.is_help);
    CHECK(type('q') == TopEffect::Quit);
}

}  // namespace
}  // namespace weir::top_test
