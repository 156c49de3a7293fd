// What a report says of a query: the beginning of its text with every literal masked, so that no
// value of a customer's reaches the log or the console, and so that the same query with other
// values reads the same. Thread: any (pure functions, values).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

// The beginning of a query as it was sent, in memory that is there already: noting one is a copy
// of kBytesMax bytes at the most. Owner: the LeaseTrace.
class QueryPrefix {
  public:
    static constexpr size_t kBytesMax = 120;

    // `text` may go on after a NUL, which ends the query.
    void note(std::string_view text);
    // The statement that was prepared as `name`; its text is not known here.
    void note_prepared(std::string_view name);
    void clear() { bytes_ = 0; }
    [[nodiscard]] bool empty() const { return bytes_ == 0; }
    [[nodiscard]] std::string_view text() const { return {text_.data(), bytes_}; }
    [[nodiscard]] bool is_cut() const { return is_cut_; }

  private:
    std::array<char, kBytesMax> text_;
    uint8_t bytes_ = 0;
    bool is_cut_ = false;
};

// Literals ('…', E'…', $tag$…$tag$, numbers) become `?`, comments go, white space becomes one
// blank, and what is no UTF-8 becomes `?`. A literal that the end of the text cuts is masked, too.
// Identifiers, quoted or not, and parameters ($1) stay. Assumes standard_conforming_strings = on.
std::string normalise_query(std::string_view sql);
// The same of a noted beginning, with `...` behind it when there was more.
std::string normalise_query(const QueryPrefix& prefix);

// The beginning of a name that a client chose, with what is no UTF-8 masked.
std::string shown_text(std::string_view text, size_t bytes_max);

// Tells queries apart that differ in more than their literals; of the normalised text. 0 = no text.
uint64_t query_digest(std::string_view normalised);

}  // namespace weir
