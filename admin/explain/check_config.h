// --check-config: reads all that a start would read (the files of the configuration, auth_file,
// rules, maps, certificates and keys), tells every error and warning with its place, and changes
// nothing: no socket is opened, no log file is made. Thread: main, the only one.
#pragma once

#include <string>
#include <vector>

#include "conf/ini.h"
#include "conf/loader.h"

namespace weir {

struct CheckReport {
    LoadResult loaded;  // no config when there are errors
    std::vector<ConfigError> errors;
    std::vector<ConfigError> warnings;
};

CheckReport check_config(const std::string& path);

// Lines `FILE:LINE: error: TEXT; REMEDY`, and one that counts them.
std::string check_text(const std::string& path, const CheckReport& report);
// An object with the lists "errors" and "warnings" of {"file", "line", "message"}; line 0 is a file
// as a whole.
std::string check_json(const std::string& path, const CheckReport& report);

}  // namespace weir
