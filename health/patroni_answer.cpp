#include "health/patroni_answer.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

namespace weir {

namespace {

using Json = nlohmann::json;

constexpr size_t kWordMax = 40;

bool is_word(const std::string& text) {
    return !text.empty() && text.size() <= kWordMax &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::optional<std::string> word_of(const Json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) return std::nullopt;
    const auto* text = found->get_ptr<const std::string*>();
    if (text == nullptr || !is_word(*text)) return std::nullopt;
    return *text;
}

uint32_t timeline_of(const Json& object) {
    const auto found = object.find("timeline");
    if (found == object.end()) return 0;
    const auto* number = found->get_ptr<const Json::number_unsigned_t*>();
    if (number == nullptr || *number > std::numeric_limits<uint32_t>::max()) return 0;
    return static_cast<uint32_t>(*number);
}

}  // namespace

bool is_leader(const PatroniAnswer& answer) {
    return answer.state == "running" && (answer.role == "primary" || answer.role == "master");
}

std::string to_text(const PatroniAnswer& answer) {
    return answer.role + "/" + answer.state;
}

Result<PatroniAnswer> read_patroni_answer(std::string_view body) {
    const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return fail("08P01", "the answer is no JSON object");
    std::optional<std::string> role = word_of(json, "role");
    std::optional<std::string> state = word_of(json, "state");
    if (!role) return fail("08P01", "the answer names no role");
    if (!state) return fail("08P01", "the answer names no state");
    return PatroniAnswer{std::move(*role), std::move(*state), timeline_of(json)};
}

}  // namespace weir
