// Collects what the files say of backends while the loader reads them, and settles at the end whom
// the databases mean: a name may be used before it is defined. Of two definitions of one name the
// last counts, whole. Owned by one load. Thread: the loader's.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "conf/backend_entries.h"
#include "conf/config.h"
#include "conf/cross_check.h"
#include "conf/ini.h"

namespace weir {

class BackendSections {
  public:
    explicit BackendSections(std::vector<ConfigError>& errors) : errors_(errors) {}

    // The header [backend:NAME], and a line below it.
    void open(std::string_view name, const IniPlace& at);
    void setting(std::string_view key, std::string_view value, const IniPlace& at);
    // A line of [backends].
    void line(std::string_view name, std::string_view text, const IniPlace& at);

    // After the last line: moves the definitions to `config` and gives every database its backends.
    // An unknown name is an error at the database's line.
    void resolve(Config& config, const PlaceOf& place_of);

    // Of the definition that counts; for the messages of others.
    [[nodiscard]] const IniPlace* place_of(const std::string& name) const;

  private:
    struct Definition {
        ParsedEntry<BackendConfig> parsed;
        IniPlace at;
    };

    void tell(std::vector<std::string>& problems, const IniPlace& at);
    void resolve(DatabaseConfig& database, const Config& config, const PlaceOf& place_of);
    [[nodiscard]] std::string remedy_for(const std::string& name) const;

    std::vector<ConfigError>& errors_;
    std::map<std::string, Definition, std::less<>> definitions_;
    std::string open_;  // the name of the last header
};

}  // namespace weir
