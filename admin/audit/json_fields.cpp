#include "admin/audit/json_fields.h"

#include <spdlog/fmt/fmt.h>

#include <ctime>
#include <iterator>

#include "conf/json_text.h"

namespace weir {

JsonFields::JsonFields(std::string_view event) {
    text_ = "\"event\":";
    append_json_string(text_, event);
}

void JsonFields::begin(std::string_view name) {
    fmt::format_to(std::back_inserter(text_), ",\"{}\":", name);
}

void JsonFields::add(std::string_view name, std::string_view text) {
    begin(name);
    append_json_string(text_, text);
}

void JsonFields::add(std::string_view name, int64_t number) {
    begin(name);
    text_ += std::to_string(number);
}

void JsonFields::add(std::string_view name, uint64_t number) {
    begin(name);
    text_ += std::to_string(number);
}

void JsonFields::add_time(std::string_view name, int64_t unix_us) {
    const auto seconds = static_cast<std::time_t>(unix_us / 1'000'000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    begin(name);
    fmt::format_to(std::back_inserter(text_), "\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\"",
                   parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                   parts.tm_min, parts.tm_sec, unix_us / 1000 % 1000);
}

}  // namespace weir
