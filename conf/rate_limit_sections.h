// Collects what the files say of rate limits while the loader reads them, and checks at the end
// what their lines say against each other. Of two definitions of one name the last counts, whole.
// Owned by one load. Thread: the loader's.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/ini.h"
#include "conf/rate_limit_entries.h"

namespace weir {

// Everything that is wrong with one limit whose lines are right each; empty when nothing is.
std::vector<std::string> contradictions(const RateLimitConfig& limit);

class RateLimitSections {
  public:
    explicit RateLimitSections(std::vector<ConfigError>& errors) : errors_(errors) {}

    // The header [rate_limit:NAME], and a line below it.
    void open(std::string_view name, const IniPlace& at);
    void setting(std::string_view key, std::string_view value, const IniPlace& at);

    // After the last line: checks the definitions that count and moves them to `config`.
    void resolve(Config& config);

  private:
    struct Definition {
        ParsedEntry<RateLimitConfig> parsed;
        IniPlace at;
        bool is_sound = true;  // all its lines could be read
    };

    void tell(Definition& definition, const IniPlace& at);
    void check(const Definition& definition);

    std::vector<ConfigError>& errors_;
    std::map<std::string, Definition, std::less<>> definitions_;
    std::string open_;  // the name of the last header
};

}  // namespace weir
