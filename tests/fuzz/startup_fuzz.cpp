// Goal: no first packet and no options text does harm, and what is accepted is what is there.
// Method: the first byte says what the rest is: an input to be framed, one packet, or options.
// Packets lie in blocks of exactly their size; what parses is written again and parsed again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "protocol/message/startup.h"
#include "protocol/message/types.h"

namespace weir {
namespace {

void require(bool condition) {
    if (!condition) __builtin_trap();
}

void check_packet(ByteView input) {
    auto block = std::make_unique<uint8_t[]>(input.size());
    std::copy(input.begin(), input.end(), block.get());
    const auto packet = parse_startup_packet({block.get(), input.size()});
    if (!packet) return require(packet.error().sqlstate.size() == 5);
    if (packet->kind == StartupPacket::Kind::Cancel) {
        const std::string again = make_cancel_request(packet->cancel_key);
        return require(as_text(input.subspan(4)) == std::string_view(again).substr(4));
    }
    if (packet->kind != StartupPacket::Kind::Startup) return require(input.size() == 8);
    require(packet->version >> 16 == 3);
    std::vector<std::pair<std::string, std::string>> parameters;
    for (const auto& [name, value] : packet->parameters) {
        require(!name.empty() && packet->has(name));
        parameters.emplace_back(name, value);
    }
    const std::string again = make_startup_message(parameters);
    require(again.size() == input.size());
    require(as_text(input.subspan(8)) == std::string_view(again).substr(8));
    const Negotiation negotiation = negotiate(*packet);
    require(negotiation.needed ||
            (packet->version == negotiation.version && negotiation.unknown_options.empty()));
}

void check_options(std::string_view text) {
    const auto options = parse_startup_options(text);
    if (!options) return require(options.error().sqlstate == "08P01");
    for (const auto& option : *options)
        require(!option.first.empty() && option.first.find('=') == std::string::npos);
}

}  // namespace
}  // namespace weir

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace weir;
    if (size == 0) return 0;
    const ByteView rest(data + 1, size - 1);
    if (data[0] % 3 == 0) {
        check_options(as_text(rest));
    } else if (data[0] % 3 == 1) {
        check_packet(rest);
    } else if (const auto bytes = startup_packet_bytes(rest); bytes && *bytes > 0) {
        require(*bytes >= 8 && *bytes <= kStartupPacketBytesMax);
        if (*bytes <= rest.size()) check_packet(rest.first(*bytes));
    }
    return 0;
}
