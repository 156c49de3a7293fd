#include "conf/userlist.h"

#include <spdlog/fmt/fmt.h>

#include "conf/limits.h"

namespace weir {

namespace {

std::string_view skip_space(std::string_view s) {
    while (!s.empty() && (s.front() == ' ' || s.front() == '\t' || s.front() == '\r')) {
        s.remove_prefix(1);
    }
    return s;
}

// Takes "a""b" off the front of `rest`; nothing when it does not start or end with a quote.
std::optional<std::string> take_quoted(std::string_view& rest) {
    if (rest.empty() || rest.front() != '"') return {};
    std::string value;
    for (size_t i = 1; i < rest.size(); ++i) {
        if (rest[i] != '"') {
            value += rest[i];
        } else if (i + 1 < rest.size() && rest[i + 1] == '"') {
            value += '"';
            ++i;
        } else {
            rest.remove_prefix(i + 1);
            return value;
        }
    }
    return {};
}

// Reads one line that is neither empty nor a comment; the text says what is wrong with it.
std::optional<std::string> parse_line(std::string_view line, AuthFileUser& user) {
    constexpr const char* kShape = "write \"name\" \"secret\" with both in double quotes";
    if (line.front() != '"') return fmt::format("the line starts with no quote; {}", kShape);
    std::optional<std::string> name = take_quoted(line);
    if (!name) return fmt::format("the name is not closed by a quote; {}", kShape);
    line = skip_space(line);
    std::optional<std::string> secret = take_quoted(line);
    if (!secret) return fmt::format("user \"{}\" has no quoted secret; {}", *name, kShape);
    if (name->empty()) return fmt::format("the name is empty; {}", kShape);
    if (name->size() > kUserNameBytesMax) {
        return fmt::format("the name \"{}\" is too long; at most {} bytes",
                           name->substr(0, kUserNameBytesMax), kUserNameBytesMax);
    }
    if (secret->size() > kPasswordBytesMax) {
        return fmt::format("the secret of user \"{}\" is too long; at most {} bytes", *name,
                           kPasswordBytesMax);
    }
    user = {std::move(*name), std::move(*secret)};
    return {};
}

}  // namespace

Userlist parse_userlist(std::string_view text, const std::string& file) {
    Userlist list;
    if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
    for (int number = 1; !text.empty(); ++number) {
        const size_t end = text.find('\n');
        const std::string_view line = skip_space(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.empty() || line.front() == ';') continue;
        AuthFileUser user;
        if (const std::optional<std::string> problem = parse_line(line, user)) {
            list.problem = {file, number,
                            *problem + "; this user and those below it cannot log in until then"};
            return list;
        }
        list.users.push_back(std::move(user));
    }
    return list;
}

}  // namespace weir
