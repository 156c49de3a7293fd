// auth_file: one user a line, `"name" "secret"`, a quote inside written twice, whatever follows on
// the line ignored; `;` at line start is a comment. A secret is plain text, md5 and 32 hex digits,
// or a SCRAM verifier; it is kept as written. Reading stops at the first line of another shape: the
// users above it stay, those below it cannot log in, and the caller warns. No message quotes
// anything of the file but names. Thread: any (pure function).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"

namespace weir {

struct Userlist {
    std::vector<AuthFileUser> users;    // in order; of two with one name the later counts
    std::optional<ConfigNote> problem;  // where reading stopped, and why
};

Userlist parse_userlist(std::string_view text, const std::string& file);

}  // namespace weir
