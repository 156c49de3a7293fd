#include "conf/reference.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>

#include "conf/backend_entries.h"
#include "conf/entries.h"
#include "conf/option_table.h"
#include "conf/rate_limit_entries.h"

namespace weir {

namespace {

std::string bounds_text(const Option& option) {
    if (option.type == OptionType::Octal) return "";
    if (option.bounds.max == std::numeric_limits<int32_t>::max()) {
        return fmt::format(", {} or more", option.bounds.min);
    }
    return fmt::format(", {} to {}", option.bounds.min, option.bounds.max);
}

std::string option_row(const Option& option) {
    return fmt::format("| `{}` | {} | {} | {} | {} |\n", option.name, option_default_text(option),
                       option_values_text(option),
                       option.change == Change::Reload ? "reload" : "restart", option.doc);
}

std::string key_table(const char* title, const char* intro, const std::vector<EntryKeyInfo>& keys) {
    std::string text =
        fmt::format("\n## Keys of {}\n\n{}\n\n| key | meaning |\n|---|---|\n", title, intro);
    for (const EntryKeyInfo& key : keys) {
        text += fmt::format("| `{}` | {} |\n", key.name, key.doc);
    }
    return text;
}

constexpr const char* kIntroduction =
    "# Options\n"
    "\n"
    "Generated from conf/option_table.cpp, conf/entries.cpp, conf/backend_entries.cpp and\n"
    "conf/rate_limit_entries.cpp; do not edit (conf/README.md tells how it is made). \"changes "
    "at\"\n"
    "says when a new value is taken over: at the next reload (RELOAD, SIGHUP or SET) or at the "
    "next\n"
    "restart. The default \"unset\" means that a reload of a file without the option keeps the "
    "last\n"
    "value; every other option goes back to its default. Times are seconds and may have a\n"
    "fraction.\n";

}  // namespace

std::string option_default_text(const Option& option) {
    if (option.default_text == nullptr) return "unset";
    return *option.default_text == '\0' ? "empty" : fmt::format("`{}`", option.default_text);
}

std::string option_values_text(const Option& option) {
    switch (option.type) {
        case OptionType::Int:
        case OptionType::Octal:
        case OptionType::Size: return to_string(option.type) + bounds_text(option);
        case OptionType::Bool: return "0 or 1";
        case OptionType::Time:
        case OptionType::String:
        case OptionType::Secret:
        case OptionType::List: return to_string(option.type);
        case OptionType::Word: break;
    }
    std::string text;
    for (const Word& word : option.words) {
        text += text.empty() ? "" : ", ";
        text += fmt::format("`{}`", word.text);
    }
    return text;
}

std::string render_reference_markdown() {
    std::string text = kIntroduction;
    const Option* last = nullptr;
    for (const Option& option : option_table()) {
        if (last == nullptr || last->group != option.group) {
            text += fmt::format(
                "\n## {}\n\n| option | default | values | changes at | meaning |\n"
                "|---|---|---|---|---|\n",
                to_string(option.group));
        }
        text += option_row(option);
        last = &option;
    }
    text +=
        key_table("[databases]",
                  "`name = key=value key=value …`. The entry `*` stands for every name without an "
                  "entry of its own. A size that is absent or negative is the option's.",
                  database_keys());
    text += key_table(
        "[users]",
        "`name = key=value …`. What is given here goes before [databases] and the options.",
        user_keys());
    text += key_table("[backends] and [backend:NAME]",
                      "`name = key=value …` in [backends], or a section [backend:NAME] with one "
                      "`key = value` a line. Of two definitions of a name the last counts, whole.",
                      backend_keys());
    text += key_table("[rate_limit:NAME]",
                      "A section with one `key = value` a line for each limit. Of two definitions "
                      "of a name the last counts, whole. See conf/README.md.",
                      rate_limit_keys());
    text += key_table("[peers]", "`number = key=value …`", peer_keys());
    return text;
}

std::string render_option_list() {
    std::vector<std::string> lines;
    for (const Option& option : option_table()) {
        if (option.alias_of != nullptr) continue;
        lines.push_back(fmt::format("{} {} {} {}\n", option.name, to_string(option.type),
                                    option_default_text(option),
                                    option.change == Change::Reload ? "reload" : "restart"));
    }
    std::sort(lines.begin(), lines.end());
    std::string text;
    for (const std::string& line : lines) {
        text += line;
    }
    return text;
}

}  // namespace weir
