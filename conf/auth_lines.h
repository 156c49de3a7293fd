// The common form of the rule files auth_hba_file and auth_ident_file: that of PostgreSQL's
// pg_hba.conf and pg_ident.conf (PostgreSQL documentation, "The pg_hba.conf File").
//
//   line    = field { blanks field } [ "#" anything ]      a backslash at its end joins the next
//   one field   = token { "," [ blanks ] token } token   = characters, or "anything" with "" for a
//   quote; both may be mixed include FILE | include_if_exists FILE | include_dir DIRECTORY    a
//   line of its own
//   @FILE   in a field that may have it: the tokens of that file, parted by blanks, commas or lines
//
// A name in quotes is never a keyword. Files are relative to the one that names them; of a
// directory, those that end in .conf and do not begin with a dot, in the order of their names.
// Thread: any (no state of its own).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/ini.h"
#include "protocol/base/result.h"

namespace weir {

// Gives the names in a directory, or why it cannot.
using DirectoryReader = std::function<Result<std::vector<std::string>>(const std::string& path)>;
Result<std::vector<std::string>> read_directory(const std::string& path);

// Where the texts come from. Error 58P01: there is no such file.
struct AuthFiles {
    FileReader read = read_file;
    DirectoryReader list = read_directory;
};

struct AuthToken {
    std::string text;
    bool is_quoted = false;  // it begins with a quote

    // Is it this keyword?
    [[nodiscard]] bool is(std::string_view keyword) const { return !is_quoted && text == keyword; }
};

using AuthField = std::vector<AuthToken>;  // empty only if an @FILE in it was

struct AuthLine {
    IniPlace at;
    std::vector<AuthField> fields;  // never empty
};

// All lines of `path` and of what it includes, in order, without comments and empty lines. The
// fields from `expand_from` up to, not including, `expand_to` may hold @FILE. Every error is
// appended; a line with an error gives none.
std::vector<AuthLine> read_auth_lines(const std::string& path, const AuthFiles& files,
                                      size_t expand_from, size_t expand_to,
                                      std::vector<ConfigError>& errors);

}  // namespace weir
