// What people read about the options, generated from the tables so that it cannot drift:
// conf/reference.md and tests/golden/options.txt are these texts, a test compares them, and the
// same test rewrites them when it runs with WEIR_UPDATE_GOLDEN=1. Thread: any (pure functions).
#pragma once

#include <string>

namespace weir {

struct Option;

// What an option may be set to, and its default ("unset", "empty"), as one reads them.
std::string option_values_text(const Option& option);
std::string option_default_text(const Option& option);

// conf/reference.md: every option by chapter, then the keys of [databases], [users] and [peers].
std::string render_reference_markdown();

// tests/golden/options.txt: one line per option, `section.name type default change effect`, by
// name.
std::string render_option_list();

}  // namespace weir
