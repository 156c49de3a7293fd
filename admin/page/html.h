// Html: text that is safe to be sent as HTML. What comes from anywhere else than this room's
// sources (names of users, application_name, what a server said) gets in by text() alone, which
// escapes it. Thread: any (values).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

class Html {
  public:
    Html() = default;
    // Markup of ours.
    static Html markup(std::string_view markup) {
        Html out;
        out.text_ = markup;
        return out;
    }
    // Anybody's text, also within an attribute in double quotes.
    static Html text(std::string_view text);

    Html& operator+=(const Html& other) {
        text_ += other.text_;
        return *this;
    }
    // Markup of ours.
    Html& operator+=(std::string_view markup) {
        text_ += markup;
        return *this;
    }
    friend Html operator+(Html left, const Html& right) { return left += right; }
    friend Html operator+(Html left, std::string_view markup) { return left += markup; }
    [[nodiscard]] const std::string& str() const { return text_; }
    [[nodiscard]] bool is_empty() const { return text_.empty(); }

  private:
    std::string text_;
};

// <span class="badge KIND">text</span>; kinds: good, warn, bad, calm.
[[nodiscard]] Html badge(std::string_view kind, std::string_view text);

struct TableColumn {
    std::string_view title;
    bool is_number = false;
    bool is_minor = false;  // not on a narrow screen
    bool is_query = false;  // in the type of code, may be long
};

// A table in a frame that scrolls by itself; the first column heads its row. With more rows than
// `rows_max` the others are counted below.
[[nodiscard]] Html table(std::string_view caption, std::span<const TableColumn> columns,
                         const std::vector<std::vector<Html>>& rows, size_t rows_max);

// 1234567 -> 1,234,567; below 100 with a digit behind the point where there is something.
[[nodiscard]] std::string number_text(double number);
// 0.25 -> 250 µs; 1500 -> 1.5 s.
[[nodiscard]] std::string ms_text(double ms);
// 3.2 s, 4 min, 5 h, 6 d.
[[nodiscard]] std::string age_text(double seconds);

}  // namespace weir
