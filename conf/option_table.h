// The one table of options: every option of [pgbouncer] and [weir] is a row of option_table(), and
// everything else that knows options (parsing, SHOW CONFIG, reload, the reference, the golden list)
// is derived from the rows. To add an option, add its field to GlobalConfig and its row to
// option_table.cpp. Thread: any (constant data, pure functions).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conf/config.h"
#include "conf/value.h"
#include "protocol/base/result.h"

namespace weir {

enum class OptionSection : uint8_t { Pgbouncer, Weir };
enum class OptionGroup : uint8_t {  // the chapters of the reference
    Generic,
    Pooling,
    Protocol,
    Authentication,
    Logging,
    Console,
    Checks,
    ClientTls,
    ServerTls,
    Dangerous,
    Network,
    Weir,
    Leaks,
    Insight,
    Backends,
    Metrics,
};
enum class OptionType : uint8_t {
    Int,     // strtol base 0, within bounds
    Bool,    // a number; zero is off, anything else on
    Octal,   // a file mode; a number, shown as 0777
    Size,    // bytes, no unit
    Time,    // seconds, may have a fraction
    String,  // to the end of the line
    Secret,  // as String; no message, no SHOW CONFIG and no log ever tells the value
    Word,    // one of option.words, in any letter case
    List,    // comma separated
};
enum class Change : uint8_t { Reload, Restart };  // when a new value is taken over

using OptionField = std::variant<
    int GlobalConfig::*, bool GlobalConfig::*, uint32_t GlobalConfig::*, int64_t GlobalConfig::*,
    Duration GlobalConfig::*, std::string GlobalConfig::*, std::vector<std::string> GlobalConfig::*,
    PoolMode GlobalConfig::*, AuthType GlobalConfig::*, SslMode GlobalConfig::*,
    LoadBalance GlobalConfig::*, TargetSessionAttrs GlobalConfig::*, ReadYourWrites GlobalConfig::*,
    SizingMode GlobalConfig::*, QueueError GlobalConfig::*, ShutdownDrain GlobalConfig::*,
    ServerProtocol GlobalConfig::*, StatementError GlobalConfig::*, LogFormat GlobalConfig::*,
    TlsNegotiation GlobalConfig::*>;

struct Bounds {
    int64_t min = 0;
    int64_t max = std::numeric_limits<int32_t>::max();
};

struct Option {
    OptionGroup group;
    std::string_view name;
    OptionType type;
    const char* default_text;  // null: none, a reload without the option keeps the last value
    Change change;
    OptionField field;
    const char* doc;
    Bounds bounds{};  // of Int, Octal and Size
    std::span<const Word> words{};
    Status (*check)(std::string_view value) = nullptr;  // what the type alone cannot refuse
    const char* alias_of = nullptr;  // another spelling of that option; not shown

    [[nodiscard]] OptionSection section() const {
        const bool is_ours = group >= OptionGroup::Weir;
        return is_ours ? OptionSection::Weir : OptionSection::Pgbouncer;
    }
};

// All rows, chapter by chapter.
std::span<const Option> option_table();
const Option* find_option(std::string_view name);

const char* to_string(OptionSection section);
const char* to_string(OptionType type);
const char* to_string(OptionGroup group);

// Sets `key` as a line of [section] would. Fails on an unknown option, one of the other section, a
// value of the wrong type or outside its bounds; `config` is then unchanged. The text of the error
// ends in a remedy.
Status set_option(GlobalConfig& config, std::string_view section, std::string_view key,
                  std::string_view value);
// As the console's SET does: no section to name, and an option that needs a restart is left alone.
// A value that contradicts another option (backend_check.h) is refused.
Status set_running_option(GlobalConfig& config, std::string_view key, std::string_view value);
Status set_option(GlobalConfig& config, const Option& option, std::string_view value);

// The value as SHOW CONFIG prints it; empty for an option without default that was never set. All
// secrets read the same, so compare values with is_same_value.
std::optional<std::string> option_text(const GlobalConfig& config, const Option& option);
bool is_same_value(const Option& option, const GlobalConfig& a, const GlobalConfig& b);
void copy_option(const Option& option, const GlobalConfig& from, GlobalConfig& to);

// What a section header does in a file: every option of the section that has a default gets it
// back.
void reset_section(GlobalConfig& config, OptionSection section);

struct ShowConfigRow {
    std::string key;
    std::optional<std::string> value;         // none prints as NULL
    std::optional<std::string> default_text;  // likewise
    bool changeable = false;
};
// SHOW CONFIG: one row per option, by name.
std::vector<ShowConfigRow> show_config(const GlobalConfig& config);

}  // namespace weir
