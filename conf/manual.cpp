#include "conf/manual.h"

#include <spdlog/fmt/fmt.h>

#include "conf/backend_entries.h"
#include "conf/entries.h"
#include "conf/option_table.h"
#include "conf/rate_limit_entries.h"
#include "conf/reference.h"
#include "conf/roff.h"

namespace weir {

namespace {

std::string option_item(const Option& option) {
    const std::string when = option.change == Change::Reload ? "" : " Changes at a restart only.";
    const std::string text =
        fmt::format("{} ({}; default: {}.{})", option.doc, option_values_text(option),
                    option_default_text(option), when);
    return roff_item(option.name, "", text);
}

std::string key_items(const char* title, const char* intro, const std::vector<EntryKeyInfo>& keys) {
    std::string out = roff_heading(title) + roff_paragraph(intro);
    for (const EntryKeyInfo& key : keys)
        out += roff_item(key.name, "", key.doc);
    return out;
}

std::string introduction() {
    return roff_title("weir.ini", 5, "configuration of the connection pooler weir") +
           roff_heading("description") +
           roff_paragraph(
               "The configuration is an INI file; one written for PgBouncer is read as "
               "it is. A line is a `[section]`, a setting `key = value`, or a comment, "
               "which begins with `;` or `#`. A value runs to the end of its line: it "
               "has no quotes, and no comment stands after it. `%include FILE` reads "
               "another file in its place. Of two settings with one name the last "
               "counts. Paths are relative to the working directory.") +
           roff_paragraph(
               "The sections are [pgbouncer], which must be there, [databases], "
               "[users], [peers], and [weir], [backends], [backend:NAME] and "
               "[rate_limit:NAME], which PgBouncer does not have.") +
           roff_paragraph(
               "Numbers are decimal, 0x12 or 012 (octal). Times are seconds and may "
               "have a fraction. A change is taken over by RELOAD on the console or by "
               "the signal HUP, all of it or, with any error, nothing. The default "
               "\"unset\" means that a reload of a file without the option keeps the "
               "last value; every other option goes back to its default.") +
           roff_paragraph(
               "`weir --check-config FILE` tells every error and warning, and "
               "`weir --explain-config FILE` what the files come to.");
}

}  // namespace

std::string render_weir_ini_manual() {
    std::string text = introduction();
    const Option* last = nullptr;
    for (const Option& option : option_table()) {
        if (last == nullptr || last->group != option.group)
            text += roff_heading(to_string(option.group));
        text += option_item(option);
        last = &option;
    }
    text += key_items("keys of [databases]",
                      "`name = key=value key=value` and so on; a value with blanks stands in "
                      "single quotes. The entry `*` stands for every name without an entry of its "
                      "own. A size that is absent or negative is the option's.",
                      database_keys());
    text += key_items("keys of [users]",
                      "`name = key=value key=value` and so on. What is given here goes before "
                      "[databases] and the options.",
                      user_keys());
    text += key_items("keys of [backends] and [backend:NAME]",
                      "`name = key=value key=value` and so on in [backends], or a section "
                      "[backend:NAME] with one `key = value` a line. Of two definitions of a name "
                      "the last counts, whole.",
                      backend_keys());
    text += key_items("keys of [rate_limit:NAME]",
                      "A section with one `key = value` a line for each limit.", rate_limit_keys());
    text += key_items("keys of [peers]", "`number = key=value key=value` and so on.", peer_keys());
    text += roff_heading("example");
    text += roff_example(
        "[databases]\n"
        "* = host=127.0.0.1 port=5432\n"
        "\n"
        "[pgbouncer]\n"
        "listen_addr = 127.0.0.1\n"
        "auth_file = /etc/weir/userlist.txt\n"
        "pool_mode = transaction");
    text += roff_heading("see also") + ".BR weir (1)\n";
    return text;
}

}  // namespace weir
