// One line of [databases], [users] or [peers]: a name and a connection string, `key=value
// key='it''s'`. Blanks (only ' ') part the settings and may stand around `=`; a value without
// quotes runs to the next blank; no value may be empty. Numbers are decimal. The keys of each
// section are one table, from which the reference is derived too. Thread: any (pure functions).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/config.h"
#include "conf/value.h"
#include "protocol/base/result.h"

namespace weir {

// The settings in the order written, or where the text stops being a connection string.
Result<std::vector<std::pair<std::string, std::string>>> parse_connection_string(
    std::string_view text);

template <typename Entry>
struct ParsedEntry {
    Entry entry;
    std::vector<std::string> problems;  // every one; the entry is of use only when there is none
};

ParsedEntry<DatabaseConfig> parse_database(std::string_view name, std::string_view text);
ParsedEntry<UserConfig> parse_user(std::string_view name, std::string_view text);
ParsedEntry<PeerConfig> parse_peer(std::string_view id, std::string_view text);

// What the reference tells of a key.
struct EntryKeyInfo {
    const char* name;
    const char* doc;
};
std::vector<EntryKeyInfo> database_keys();
std::vector<EntryKeyInfo> user_keys();
std::vector<EntryKeyInfo> peer_keys();

}  // namespace weir
