// Settings of backends that are legal each but contradict one another. Unlike those of cross_check
// they are errors: PgBouncer has none of them, so no file of its runs with one, and each would make
// a judgement of health or a choice of backend meaningless. Thread: any (pure functions).
#pragma once

#include <string>
#include <vector>

#include "conf/config.h"
#include "conf/cross_check.h"
#include "conf/ini.h"

namespace weir {

struct Contradiction {
    const char* option;  // the one whose line is told
    const char* other;   // its line, when the file leaves the first at its default
    std::string message;
};

// Among the options of [weir]; SET refuses a value that would make one.
std::vector<Contradiction> contradictions(const GlobalConfig& config);

// The same, and all about the backends of each database, which must be resolved.
std::vector<ConfigError> check_backends(const Config& config, const PlaceOf& place_of);

}  // namespace weir
