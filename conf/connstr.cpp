// The grammar of a connection string; what its keys mean is in entries.cpp.
#include <spdlog/fmt/fmt.h>

#include <optional>

#include "conf/entries.h"

namespace weir {

namespace {

std::string_view skip_spaces(std::string_view s) {
    while (!s.empty() && s.front() == ' ')
        s.remove_prefix(1);
    return s;
}

// Takes 'it''s' off the front of `rest`; nothing when the quote is never closed.
std::optional<std::string> take_quoted_value(std::string_view& rest) {
    std::string value;
    for (size_t i = 1; i < rest.size(); ++i) {
        if (rest[i] != '\'') {
            value += rest[i];
        } else if (i + 1 < rest.size() && rest[i + 1] == '\'') {
            value += '\'';
            ++i;
        } else {
            rest.remove_prefix(i + 1);
            return value;
        }
    }
    return {};
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> parse_connection_string(
    std::string_view text) {
    std::vector<std::pair<std::string, std::string>> settings;
    for (std::string_view rest = skip_spaces(text); !rest.empty(); rest = skip_spaces(rest)) {
        const size_t key_size = std::min(rest.find_first_of("= "), rest.size());
        const std::string key(rest.substr(0, key_size));
        rest = skip_spaces(rest.substr(key_size));
        if (key.empty()) return fail("22023", "nothing stands before \"=\"; write key=value");
        if (rest.empty() || rest.front() != '=') {
            // The word itself is not told: it may be the rest of a password with a blank in it.
            const std::string where = settings.empty()
                                          ? "the first word"
                                          : "the word after \"" + settings.back().first + "\"";
            return fail("22023", where +
                                     " has no \"=\"; write key=value, and put a value with blanks "
                                     "in single quotes");
        }
        rest = skip_spaces(rest.substr(1));
        std::string value;
        if (!rest.empty() && rest.front() == '\'') {
            std::optional<std::string> quoted = take_quoted_value(rest);
            if (!quoted) {
                return fail("22023",
                            fmt::format("the quoted value of \"{}\" is not closed; add the "
                                        "missing ' (a ' inside is written '')",
                                        key));
            }
            if (!rest.empty() && rest.front() != ' ') {
                return fail("22023", fmt::format("something follows the quoted value of \"{}\" "
                                                 "directly; put a blank after the closing '",
                                                 key));
            }
            value = std::move(*quoted);
        } else {
            const size_t size = std::min(rest.find(' '), rest.size());
            value = rest.substr(0, size);
            rest.remove_prefix(size);
        }
        if (value.empty()) {
            return fail("22023",
                        fmt::format("\"{}\" has an empty value; give one or remove the key", key));
        }
        settings.emplace_back(key, std::move(value));
    }
    return settings;
}

}  // namespace weir
