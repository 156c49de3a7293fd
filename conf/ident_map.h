// auth_ident_file: which names the system, or a certificate, may know a client by so that it can
// log in as a certain user. Used by rules with the methods peer and cert and the option map=. The
// language is that of PostgreSQL's pg_ident.conf (documentation, "User Name Maps"; quotes, comments
// and include: auth_lines.h), but for groups:
//
//   MAP SYSTEM-NAME DATABASE-USER
//
// A system name that begins with a slash is a regular expression; \1 in the user stands then for
// what its first group matches. The user `all` is any, one with a slash is an expression, too.
// Thread: any (values, pure functions).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/auth_lines.h"
#include "conf/regex.h"

namespace weir {

// One line.
struct IdentEntry {
    std::string system_name;
    std::optional<Regex> system_expression;  // instead of it
    bool is_any_user = false;
    bool has_reference = false;  // \1 in `user`
    std::string user;
    std::optional<Regex> user_expression;  // instead of it

    // May who is known as `system` log in as `wanted`?
    [[nodiscard]] bool allows(std::string_view system, std::string_view wanted) const;
};

struct IdentMaps {
    std::map<std::string, std::vector<IdentEntry>, std::less<>> maps;

    [[nodiscard]] bool has(std::string_view map) const { return maps.contains(map); }
    // False also when there is no such map.
    [[nodiscard]] bool allows(std::string_view map, std::string_view system,
                              std::string_view wanted) const;
};

// Reads `path` and all it includes. Every error is appended.
IdentMaps read_ident(const std::string& path, const AuthFiles& files,
                     std::vector<ConfigError>& errors);

}  // namespace weir
