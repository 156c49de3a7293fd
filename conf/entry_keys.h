// How the keys of an entry are told and read: one table of EntryKey for each kind of entry, made
// of the setters below. Only for entries.cpp, backend_entries.cpp and rate_limit_entries.cpp;
// everybody else includes their headers. Thread: any (pure functions).
#pragma once

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conf/entries.h"

namespace weir {

// One key: how to store its value. Setters are instantiated from the templates below.
template <typename Entry>
struct EntryKey {
    const char* name;
    Status (*set)(Entry& entry, std::string_view value);
    const char* doc;
};

// A limit or a size: whole and decimal; anything negative inherits.
template <auto Field, typename Entry>
Status set_size(Entry& entry, std::string_view value) {
    constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
    const Result<int64_t> number = parse_integer(value, 10, -kMax, kMax);
    if (!number) return fail("22023", number.error().message);
    entry.*Field = *number < 0 ? kInherit : static_cast<int>(*number);
    return {};
}

// A number that nothing inherits.
template <auto Field, int kMin, int kMax, typename Entry>
Status set_number(Entry& entry, std::string_view value) {
    const Result<int64_t> number = parse_integer(value, 10, kMin, kMax);
    if (!number) return fail("22023", number.error().message);
    entry.*Field = static_cast<int>(*number);
    return {};
}

// A number, as the global switches have it: zero is off, anything else on.
template <auto Field, typename Entry>
Status set_flag(Entry& entry, std::string_view value) {
    constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
    const Result<int64_t> number = parse_integer(value, 0, -kMax, kMax);
    if (!number) return fail("22023", number.error().message + "; give 1 or 0");
    entry.*Field = *number != 0;
    return {};
}

// Seconds; 0 inherits, as an absent key does.
template <auto Field, typename Entry>
Status set_time(Entry& entry, std::string_view value) {
    const Result<Duration> time = parse_seconds(value);
    if (!time) return fail("22023", time.error().message);
    entry.*Field = time->count() == 0 ? std::nullopt : std::optional<Duration>(*time);
    return {};
}

template <auto Field, size_t kBytesMax, typename Entry>
Status set_text(Entry& entry, std::string_view value) {
    if (value.size() > kBytesMax) {
        return fail("22023", fmt::format("too long; at most {} bytes", kBytesMax));
    }
    entry.*Field = std::string(value);
    return {};
}

template <auto Field, typename Enum, const auto& kWords, typename Entry>
Status set_word(Entry& entry, std::string_view value) {
    const Result<int> word = parse_word(value, kWords);
    if (!word) return fail("22023", word.error().message);
    entry.*Field = static_cast<Enum>(*word);
    return {};
}

template <typename Entry>
Status set_port(Entry& entry, std::string_view value) {
    const Result<int64_t> port = parse_integer(value, 10, 1, 65535);
    if (!port) return fail("22023", port.error().message);
    entry.port = static_cast<uint16_t>(*port);
    return {};
}

template <typename Entry>
std::string unknown_key(std::span<const EntryKey<Entry>> keys, std::string_view name) {
    std::vector<std::string_view> names;
    for (const EntryKey<Entry>& key : keys) {
        names.emplace_back(key.name);
    }
    std::string hint = did_you_mean(name, names);
    if (hint.empty()) hint = "; check its spelling or remove it";
    return fmt::format("unknown key \"{}\"{}", name, hint);
}

// Sets one key of `parsed.entry`; `what` names the entry in the messages.
template <typename Entry>
void read_setting(std::span<const EntryKey<Entry>> keys, std::string_view name,
                  std::string_view value, const std::string& what, ParsedEntry<Entry>& parsed) {
    const auto key = std::find_if(keys.begin(), keys.end(),
                                  [name](const EntryKey<Entry>& k) { return name == k.name; });
    if (key == keys.end()) {
        parsed.problems.push_back(what + ": " + unknown_key(keys, name));
        return;
    }
    if (Status set = key->set(parsed.entry, value); !set) {
        // A value that swallowed another setting may hold its password.
        const bool is_secret = name == "password" || value.find('=') != std::string::npos;
        parsed.problems.push_back(fmt::format("{}: invalid {} {}: {}", what, name,
                                              is_secret ? "value" : fmt::format("\"{}\"", value),
                                              set.error().message));
    }
}

// Reads all settings of `text`.
template <typename Entry>
void read_settings(std::span<const EntryKey<Entry>> keys, std::string_view text,
                   const std::string& what, ParsedEntry<Entry>& parsed) {
    const auto settings = parse_connection_string(text);
    if (!settings) {
        parsed.problems.push_back(what + ": " + settings.error().message);
        return;
    }
    for (const auto& [name, value] : *settings) {
        read_setting(keys, name, value, what, parsed);
    }
}

template <typename Entry>
void check_name(std::string_view name, size_t bytes_max, ParsedEntry<Entry>& parsed) {
    if (name.empty()) parsed.problems.emplace_back("the name is empty; give one before \"=\"");
    if (name.size() > bytes_max) {
        parsed.problems.push_back(fmt::format("the name \"{}\" is too long; at most {} bytes",
                                              name.substr(0, bytes_max), bytes_max));
    }
}

template <typename Entry>
std::vector<EntryKeyInfo> infos(std::span<const EntryKey<Entry>> keys) {
    std::vector<EntryKeyInfo> out;
    for (const EntryKey<Entry>& key : keys) {
        out.push_back({key.name, key.doc});
    }
    return out;
}

}  // namespace weir
