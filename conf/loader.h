// Files to Config, or every reason why not. At a start there is no previous Config; at a RELOAD the
// running one is given, and then
//   - options without a default that the file does not set keep their running value,
//   - options that only a restart can change keep it too, and what the file wants is in
//   needs_restart.
// Loading is all or nothing: with any error there is no Config, and the caller goes on with the one
// it has. Thread: any; reads files, so not on a worker.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "conf/config.h"
#include "conf/ini.h"

namespace weir {

// Where the files say something, by section and the name of an option or an entry; for backends,
// however they are defined, the section is "backends". What no file says is not there.
using ConfigPlaces = std::map<std::pair<std::string, std::string>, IniPlace>;

struct LoadResult {
    std::shared_ptr<const Config> config;  // null when there are errors
    std::vector<ConfigError> errors;
    ConfigPlaces places;
};

LoadResult load_config(const std::string& path, const Config* previous);

// The same with every file (`path` itself, includes, auth_file) taken from `reader`; for tests and
// fuzzing.
LoadResult load_config_with(const std::string& path, const Config* previous,
                            const FileReader& reader);

}  // namespace weir
