// What a look at a configuration has before it: the configuration, where the files say what, and
// the machine. Thread: main.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "conf/config.h"
#include "conf/loader.h"

namespace weir {

// Facts of the machine and of the process that asks; a test makes its own.
struct Surroundings {
    long open_files = 0;   // the most that this process may have open; 0 = not known
    int cores = 0;         // that it may run on
    int backlog_most = 0;  // net.core.somaxconn; 0 = not known
    // Permissions of a file (07777); nothing when there is none.
    std::function<std::optional<unsigned>(const std::string& path)> mode_of;
};

Surroundings look_around();

struct Review {
    const std::string& path;  // of the configuration
    const Config& config;
    const ConfigPlaces& places;
    const Surroundings& around;

    // Where the files say it; line 0 of `path` when they do not.
    [[nodiscard]] IniPlace place_of(const std::string& section, const std::string& name) const;
    [[nodiscard]] bool says(const std::string& section, const std::string& name) const;
    // "FILE:LINE", or "default".
    [[nodiscard]] std::string source_of(const std::string& section, const std::string& name) const;
    // All entries of [databases], that of `*` at the end.
    [[nodiscard]] std::vector<const DatabaseConfig*> databases() const;
};

// Whose pools a database has without users of its own: the forced user, or nobody in particular.
std::string pool_user(const DatabaseConfig& database);

// Does it stay on this machine? Unix sockets, 127.0.0.0/8, ::1 and localhost do.
bool is_local(const std::string& host);
// Do clients come from other machines?
bool is_on_network(const GlobalConfig& global);

}  // namespace weir
