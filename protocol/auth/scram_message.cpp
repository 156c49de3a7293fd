#include "protocol/auth/scram_message.h"

#include <algorithm>

#include "protocol/auth/base64.h"

namespace weir {

bool is_scram_nonce(std::string_view text) {
    const auto is_allowed = [](char c) { return c > ' ' && c <= '~' && c != ','; };
    return !text.empty() && text.size() <= kScramNonceBytesMax &&
           std::all_of(text.begin(), text.end(), is_allowed);
}

std::string make_scram_nonce(ByteView random) {
    return base64_encode(random);
}

tl::unexpected<Error> malformed_scram(std::string_view what) {
    return fail("08P01", "malformed SCRAM message: " + std::string(what));
}

tl::unexpected<Error> unexpected_scram() {
    return fail("08P01", "SCRAM message is out of order");
}

Status check_scram_shape(std::string_view message) {
    if (message.empty()) return malformed_scram("it is empty");
    if (message.size() > kScramMessageBytesMax) return malformed_scram("it is too long");
    if (message.find('\0') != std::string_view::npos) return malformed_scram("it contains a NUL");
    return {};
}

std::optional<std::string_view> ScramAttributes::take(char name) {
    const auto attribute = next();
    if (attribute && attribute->first == name) return attribute->second;
    rest_.reset();
    return std::nullopt;
}

bool ScramAttributes::only_extensions_left() {
    while (rest_) {
        const auto attribute = next();
        if (!attribute || attribute->first == 'm') {
            rest_.reset();
            return false;
        }
    }
    return true;
}

std::optional<std::pair<char, std::string_view>> ScramAttributes::next() {
    if (!rest_) return std::nullopt;
    const std::string_view text = *rest_;
    const size_t comma = text.find(',');
    if (comma == std::string_view::npos) {
        rest_.reset();
    } else {
        rest_ = text.substr(comma + 1);
    }
    const std::string_view field = text.substr(0, comma);
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    if (field.size() < 2 || !is_letter(field[0]) || field[1] != '=') {
        rest_.reset();
        return std::nullopt;
    }
    return std::make_pair(field[0], field.substr(2));
}

}  // namespace weir
