// What no single line can get wrong: settings that are legal each but contradict or defeat one
// another. Gives warnings, never errors, because PgBouncer runs with all of them; what it does not
// know of at all is in backend_check. Thread: any (pure function).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "conf/ini.h"

namespace weir {

// Where the file says something: `section` and option or entry name to a place (line 0 when it does
// not).
using PlaceOf = std::function<IniPlace(const std::string& section, const std::string& name)>;

std::vector<ConfigNote> cross_check(const Config& config, const PlaceOf& place_of);

}  // namespace weir
