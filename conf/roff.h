// Text of the manual pages: plain text and the little markup of the option table's sentences
// (`code`) as man(7) wants it. Thread: any (pure functions).
#pragma once

#include <string>
#include <string_view>

namespace weir {

// Backslashes, hyphens and dots at the start of a line as themselves; `code` in bold.
std::string roff_text(std::string_view text);
// A paragraph that begins with `term` in bold (and `argument` in italics, if any), then `text`
// indented.
std::string roff_item(std::string_view term, std::string_view argument, std::string_view text);
std::string roff_paragraph(std::string_view text);
std::string roff_heading(std::string_view title);
// What stands as it is, line for line, in a font of fixed width.
std::string roff_example(std::string_view lines);
std::string roff_title(std::string_view name, int section, std::string_view summary);

}  // namespace weir
