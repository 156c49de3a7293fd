// AuthRules: what auth_hba_file and auth_ident_file say, read together, since rules name maps. Part
// of Config. Thread: immutable after loading.
#pragma once

#include <memory>
#include <vector>

#include "conf/auth_lines.h"
#include "conf/hba.h"
#include "conf/ident_map.h"

namespace weir {

struct Config;
struct GlobalConfig;

struct AuthRules {
    HbaRules hba;
    IdentMaps maps;
};

// Reads the rules into `config` when its auth_type is hba, and takes them out when it is another.
// To be called whenever auth_type, auth_hba_file or auth_ident_file has changed. `at` is where
// auth_type was set, for errors that no line of the rules has. With any error `config` is
// unchanged.
std::vector<ConfigError> load_auth_rules(Config& config, const AuthFiles& files,
                                         const IniPlace& at);

// What contradicts auth_type among the other options: an error each, with its remedy.
std::vector<std::string> auth_contradictions(const GlobalConfig& global);

}  // namespace weir
