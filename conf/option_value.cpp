// The logic derived from the rows of option_table.cpp.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <type_traits>

#include "conf/backend_check.h"
#include "conf/option_table.h"

namespace weir {

namespace {

// The visitor below assigns only through these, so that each type of field is written in one place.
Status assign(GlobalConfig& config, const Option& o, int GlobalConfig::*field,
              std::string_view text) {
    const Result<int64_t> value = parse_integer(text, 0, o.bounds.min, o.bounds.max);
    if (!value && o.type == OptionType::Octal) {
        return fail("22023", "not a file mode; write it in octal with a leading 0, such as 0770");
    }
    if (!value) return fail(value.error().sqlstate, value.error().message);
    config.*field = static_cast<int>(*value);
    return {};
}

Status assign(GlobalConfig& config, const Option& o, uint32_t GlobalConfig::*field,
              std::string_view text) {
    const Result<int64_t> value = parse_integer(text, 0, o.bounds.min, o.bounds.max);
    if (!value) return fail(value.error().sqlstate, value.error().message);
    config.*field = static_cast<uint32_t>(*value);
    return {};
}

Status assign(GlobalConfig& config, const Option& o, int64_t GlobalConfig::*field,
              std::string_view text) {
    const Result<int64_t> value = parse_integer(text, 0, o.bounds.min, o.bounds.max);
    if (!value) return fail(value.error().sqlstate, value.error().message);
    config.*field = *value;
    return {};
}

Status assign(GlobalConfig& config, const Option&, bool GlobalConfig::*field,
              std::string_view text) {
    constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
    const Result<int64_t> value = parse_integer(text, 0, -kMax, kMax);
    if (!value) return fail("22023", "not a switch; give 0 for off or 1 for on");
    config.*field = *value != 0;
    return {};
}

Status assign(GlobalConfig& config, const Option&, Duration GlobalConfig::*field,
              std::string_view text) {
    const Result<Duration> value = parse_seconds(text);
    if (!value) return fail(value.error().sqlstate, value.error().message);
    config.*field = *value;
    return {};
}

Status assign(GlobalConfig& config, const Option& o, std::string GlobalConfig::*field,
              std::string_view text) {
    if (o.type == OptionType::Word) {
        const Result<int> word = parse_word(text, o.words);
        if (!word) return fail(word.error().sqlstate, word.error().message);
        text = word_text(*word, o.words);
    }
    config.*field = text;
    return {};
}

Status assign(GlobalConfig& config, const Option&, std::vector<std::string> GlobalConfig::*field,
              std::string_view text) {
    config.*field = split_list(text);
    return {};
}

template <typename Enum>
requires std::is_enum_v<Enum> Status assign(GlobalConfig& config, const Option& o,
                                            Enum GlobalConfig::*field, std::string_view text) {
    const Result<int> word = parse_word(text, o.words);
    if (!word) return fail(word.error().sqlstate, word.error().message);
    config.*field = static_cast<Enum>(*word);
    return {};
}

std::string print(const Option& o, int value) {
    return o.type == OptionType::Octal ? fmt::format("0{:o}", value) : fmt::format("{}", value);
}
std::string print(const Option&, uint32_t value) {
    return fmt::format("{}", value);
}
std::string print(const Option&, int64_t value) {
    return fmt::format("{}", value);
}
std::string print(const Option&, bool value) {
    return value ? "1" : "0";
}
std::string print(const Option&, Duration value) {
    return seconds_text(value);
}
std::string print(const Option& o, const std::string& value) {
    return o.type == OptionType::Secret && !value.empty() ? "********" : value;
}
std::string print(const Option&, const std::vector<std::string>& value) {
    return join_list(value);
}
template <typename Enum>
requires std::is_enum_v<Enum> std::string print(const Option& o, Enum value) {
    return word_text(static_cast<int>(value), o.words);
}

Error unknown_option(std::string_view key, std::string_view where) {
    std::vector<std::string_view> names;
    for (const Option& option : option_table()) {
        names.push_back(option.name);
    }
    std::string hint = did_you_mean(key, names);
    if (hint.empty()) hint = "; check its spelling or remove it";
    return Error("22023", fmt::format("unknown option \"{}\"{}{}", key, where, hint));
}

}  // namespace

Status set_option(GlobalConfig& config, const Option& option, std::string_view value) {
    Status done = option.check == nullptr ? Status() : option.check(value);
    if (done) {
        done = std::visit([&](auto field) { return assign(config, option, field, value); },
                          option.field);
    }
    if (done) return done;
    const bool is_secret = option.type == OptionType::Secret;
    return fail(done.error().sqlstate,
                fmt::format("invalid {} for {}: {}",
                            is_secret ? "value" : fmt::format("value \"{}\"", value), option.name,
                            done.error().message));
}

Status set_option(GlobalConfig& config, std::string_view section, std::string_view key,
                  std::string_view value) {
    const Option* option = find_option(key);
    if (option == nullptr)
        return tl::unexpected(unknown_option(key, fmt::format(" in [{}]", section)));
    if (section != to_string(option->section())) {
        return fail("22023", fmt::format("option \"{}\" does not belong in [{}]; move it to [{}]",
                                         key, section, to_string(option->section())));
    }
    return set_option(config, *option, value);
}

Status set_running_option(GlobalConfig& config, std::string_view key, std::string_view value) {
    const Option* option = find_option(key);
    if (option == nullptr) return tl::unexpected(unknown_option(key, ""));
    GlobalConfig changed = config;
    if (Status set = set_option(changed, *option, value); !set) return set;
    const std::vector<Contradiction> found = contradictions(changed);
    if (!found.empty()) return fail("22023", found.front().message);
    if (option->change == Change::Reload) copy_option(*option, changed, config);
    return {};
}

std::optional<std::string> option_text(const GlobalConfig& config, const Option& option) {
    std::string text =
        std::visit([&](auto field) { return print(option, config.*field); }, option.field);
    if (option.default_text == nullptr && text.empty()) return {};
    return text;
}

bool is_same_value(const Option& option, const GlobalConfig& a, const GlobalConfig& b) {
    return std::visit([&](auto field) { return a.*field == b.*field; }, option.field);
}

void copy_option(const Option& option, const GlobalConfig& from, GlobalConfig& to) {
    std::visit([&](auto field) { to.*field = from.*field; }, option.field);
}

void reset_section(GlobalConfig& config, OptionSection section) {
    const GlobalConfig
        initial;  // its initialisers are the defaults of the table; a test compares them
    for (const Option& option : option_table()) {
        if (option.section() != section || option.default_text == nullptr) continue;
        copy_option(option, initial, config);
    }
}

std::vector<ShowConfigRow> show_config(const GlobalConfig& config) {
    std::vector<ShowConfigRow> rows;
    for (const Option& option : option_table()) {
        if (option.alias_of != nullptr) continue;
        std::optional<std::string> initial;
        if (option.default_text != nullptr) initial = option.default_text;
        rows.push_back({std::string(option.name), option_text(config, option), std::move(initial),
                        option.change == Change::Reload});
    }
    std::sort(rows.begin(), rows.end(),
              [](const ShowConfigRow& a, const ShowConfigRow& b) { return a.key < b.key; });
    return rows;
}

}  // namespace weir
