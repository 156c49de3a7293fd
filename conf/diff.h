// What a reload changes. Answers two questions: what to tell the operator (ConfigDelta), and what
// becomes of a pool that exists (fate_of_database). Thread: any (pure functions over immutable
// Configs).
#pragma once

#include <string>
#include <vector>

#include "conf/config.h"

namespace weir {

struct OptionChange {
    std::string option;
    std::string from;
    std::string to;
};

struct ConfigDelta {
    // Names of entries of [databases], `*` among them, each list sorted.
    std::vector<std::string> databases_added;
    std::vector<std::string> databases_removed;
    std::vector<std::string> databases_recycled;   // their server connections lead elsewhere now
    std::vector<std::string> databases_adjusted;   // changed, but connections stay good
    std::vector<std::string> users_changed;        // added, removed or changed in [users]
    std::vector<std::string> rate_limits_changed;  // added, removed or changed, sorted
    bool secrets_changed = false;                  // anything in auth_file
    bool peers_changed = false;
    // Secrets differ, but read the same.
    std::vector<OptionChange> options;  // with the new value in force
    std::vector<PendingRestart> needs_restart;

    [[nodiscard]] bool empty() const;
};

ConfigDelta diff(const Config& from, const Config& to);

// Would every server connection made for `from` be wrong for `to`? No as long as one backend (host
// and port) is in both: connections to those that are gone are for the caller to find.
bool needs_new_servers(const DatabaseConfig& from, const DatabaseConfig& to);

enum class DatabaseFate : uint8_t { Kept, Adjusted, Recycled, Removed };

// What a reload means for the pools of the database that clients call `name`, whether it has an
// entry of its own or comes from `*` before or after.
DatabaseFate fate_of_database(const Config& from, const Config& to, const std::string& name);

// What a reload means for the rate limit `name`, and for what it has counted so far. Kept and
// Adjusted (other limits or another action for the same keys) go on with that, Restarted begins
// anew.
enum class RateLimitFate : uint8_t { Kept, Adjusted, Restarted, Added, Removed };
RateLimitFate fate_of_rate_limit(const Config& from, const Config& to, const std::string& name);

}  // namespace weir
