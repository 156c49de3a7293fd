#include "conf/port_targets.h"

#include <charconv>

#include "conf/words.h"

namespace weir {

Result<TargetSessionAttrs> parse_target_session_attrs(std::string_view word) {
    const Result<int> value = parse_word(word, kTargetSessionAttrsWords);
    if (!value) return tl::unexpected<Error>(value.error());
    return static_cast<TargetSessionAttrs>(*value);
}

Result<PortTarget> parse_port_target(std::string_view text) {
    const size_t colon = text.find(':');
    PortTarget out;
    const std::string_view number = text.substr(0, colon);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), out.port);
    const bool is_number = error == std::errc() && end == number.data() + number.size();
    if (colon == std::string_view::npos || !is_number || out.port == 0) {
        return fail("22023", "\"" + std::string(text) +
                                 "\" is no port and kind of backend; write 6433:read-only");
    }
    const Result<TargetSessionAttrs> wanted = parse_target_session_attrs(text.substr(colon + 1));
    if (!wanted) return tl::unexpected<Error>(wanted.error());
    out.wanted = *wanted;
    return out;
}

std::vector<PortTarget> port_targets(const GlobalConfig& global) {
    std::vector<PortTarget> out;
    for (const std::string& text : global.target_session_attrs_ports) {
        if (const Result<PortTarget> one = parse_port_target(text)) out.push_back(*one);
    }
    return out;
}

std::optional<TargetSessionAttrs> port_target(const GlobalConfig& global, uint16_t port) {
    for (const PortTarget& one : port_targets(global)) {
        if (one.port == port) return one.wanted;
    }
    return std::nullopt;
}

}  // namespace weir
