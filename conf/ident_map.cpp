#include "conf/ident_map.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "conf/limits.h"

namespace weir {

namespace {

constexpr std::string_view kReference = "\\1";

// `text` with what `group` matched in the place of \1.
std::string filled_in(std::string_view text, std::string_view group) {
    const size_t at = text.find(kReference);
    std::string out(text.substr(0, at));
    out += group;
    out += text.substr(at + kReference.size());
    return out;
}

tl::unexpected<Error> wrong(std::string text) {
    return fail("22023", std::move(text));
}

Result<std::optional<Regex>> expression_of(const AuthToken& token) {
    if (!token.text.starts_with('/')) return std::optional<Regex>();
    Result<Regex> expression = Regex::parse(std::string_view(token.text).substr(1));
    if (!expression) return tl::unexpected<Error>(expression.error());
    return std::optional<Regex>(std::move(*expression));
}

Status read_system_name(const AuthToken& token, IdentEntry& into) {
    Result<std::optional<Regex>> expression = expression_of(token);
    if (!expression) return tl::unexpected<Error>(expression.error());
    into.system_expression = std::move(*expression);
    into.system_name = token.text;
    return {};
}

Status read_user(const AuthToken& token, IdentEntry& into) {
    into.is_any_user = token.is("all");
    into.user = token.text;
    if (!token.is_quoted && token.text.starts_with('+')) {
        return wrong(
            fmt::format("who belongs to \"{}\" cannot be asked of PostgreSQL here; write "
                        "a line for each user",
                        token.text.substr(1)));
    }
    const bool has_reference =
        into.system_expression && token.text.find(kReference) != std::string::npos;
    if (has_reference && token.text.starts_with('/')) {
        return wrong("a user with \\1 cannot be an expression as well; write one or the other");
    }
    Result<std::optional<Regex>> expression = expression_of(token);
    if (!expression) return tl::unexpected<Error>(expression.error());
    into.user_expression = std::move(*expression);
    if (!has_reference) return {};
    if (into.system_expression->groups() == 0) {
        return wrong(
            "\\1 stands for the first group of the system name's expression, which has "
            "none; put parentheses into it");
    }
    into.has_reference = true;
    return {};
}

// The map's name, and what the line says of it.
Result<std::pair<std::string, IdentEntry>> read_entry(const AuthLine& line) {
    constexpr size_t kFields = 3;
    if (line.fields.size() != kFields) {
        return wrong(
            "a line has to be of the form MAP SYSTEM-NAME DATABASE-USER; put names with "
            "blanks into quotes");
    }
    for (const AuthField& field : line.fields) {
        if (field.size() != 1) return wrong("names cannot be lists here; write a line for each");
    }
    IdentEntry entry;
    if (Status read = read_system_name(line.fields[1].front(), entry); !read)
        return tl::unexpected<Error>(read.error());
    if (Status read = read_user(line.fields[2].front(), entry); !read)
        return tl::unexpected<Error>(read.error());
    return std::pair(line.fields[0].front().text, std::move(entry));
}

}  // namespace

bool IdentEntry::allows(std::string_view system, std::string_view wanted) const {
    std::string expected = user;
    if (!system_expression) {
        if (system != system_name) return false;
    } else if (has_reference) {
        const std::optional<std::string> group = system_expression->first_group(system);
        if (!group) return false;
        expected = filled_in(user, *group);
    } else if (!system_expression->matches(system)) {
        return false;
    }
    if (is_any_user) return true;
    return user_expression ? user_expression->matches(wanted) : wanted == expected;
}

bool IdentMaps::allows(std::string_view map, std::string_view system,
                       std::string_view wanted) const {
    const auto found = maps.find(map);
    if (found == maps.end()) return false;
    return std::any_of(found->second.begin(), found->second.end(),
                       [&](const IdentEntry& entry) { return entry.allows(system, wanted); });
}

IdentMaps read_ident(const std::string& path, const AuthFiles& files,
                     std::vector<ConfigError>& errors) {
    IdentMaps out;
    size_t count = 0;
    for (const AuthLine& line : read_auth_lines(path, files, 0, 0, errors)) {
        if (++count > kAuthRulesMax) {
            add_error(errors,
                      {line.at.file, line.at.line,
                       fmt::format("more than {} lines; say it with expressions", kAuthRulesMax)});
            break;
        }
        auto entry = read_entry(line);
        if (!entry) {
            add_error(errors, {line.at.file, line.at.line, entry.error().message});
            continue;
        }
        out.maps[entry->first].push_back(std::move(entry->second));
    }
    return out;
}

}  // namespace weir
