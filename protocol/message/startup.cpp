#include "protocol/message/startup.h"

#include "protocol/message/types.h"
#include "protocol/message/writer.h"

namespace weir {

// The last one counts, as in PostgreSQL.
std::string_view StartupPacket::find(std::string_view name) const {
    std::string_view found;
    for (const auto& [key, value] : parameters) {
        if (key == name) found = value;
    }
    return found;
}

bool StartupPacket::has(std::string_view name) const {
    for (const auto& parameter : parameters) {
        if (parameter.first == name) return true;
    }
    return false;
}

Result<uint32_t> startup_packet_bytes(ByteView input) {
    if (input.size() < 4) return 0U;
    const uint32_t length = load_be32(input.data());
    if (length < 8 || length > kStartupPacketBytesMax) {
        return fail("08P01", "invalid length of startup packet: " + std::to_string(length));
    }
    return length;
}

namespace {

Status parse_parameters(ByteReader reader, StartupPacket& packet) {
    while (true) {
        if (reader.at_end()) {
            return fail("08P01", "invalid startup packet layout: expected terminator as last byte");
        }
        const std::string_view name = reader.cstring();
        if (name.empty()) break;
        const std::string_view value = reader.cstring();
        if (!reader.ok()) break;
        packet.parameters.emplace_back(name, value);
    }
    if (!reader.ok() || !reader.at_end()) {
        return fail("08P01", "invalid startup packet layout: expected terminator as last byte");
    }
    return {};
}

}  // namespace

Result<StartupPacket> parse_startup_packet(ByteView bytes) {
    ByteReader reader(bytes);
    reader.u32();  // length: the caller framed the packet with it
    const uint32_t code = reader.u32();
    StartupPacket packet;
    if (!reader.ok()) return fail("08P01", "startup packet is too short");
    if (code == kSslRequestCode || code == kGssEncRequestCode) {
        if (!reader.at_end()) return fail("08P01", "invalid length of encryption request");
        packet.kind = code == kSslRequestCode ? StartupPacket::Kind::SslRequest
                                              : StartupPacket::Kind::GssEncRequest;
        return packet;
    }
    if (code == kCancelRequestCode) {
        packet.kind = StartupPacket::Kind::Cancel;
        const uint64_t high = reader.u32();
        packet.cancel_key = high << 32 | reader.u32();
        if (!reader.ok() || !reader.at_end())
            return fail("08P01", "invalid length of cancel request");
        return packet;
    }
    packet.version = code;
    if (code >> 16 != 3) {
        return fail("0A000", "unsupported frontend protocol " + std::to_string(code >> 16) + "." +
                                 std::to_string(code & 0xffff) + ": server supports 3.0");
    }
    if (Status parsed = parse_parameters(reader, packet); !parsed) {
        return tl::unexpected<Error>(parsed.error());
    }
    return packet;
}

Negotiation negotiate(const StartupPacket& packet) {
    Negotiation out;
    for (const auto& parameter : packet.parameters) {
        if (parameter.first.starts_with("_pq_.")) out.unknown_options.push_back(parameter.first);
    }
    out.needed = packet.version > kProtocol30 || !out.unknown_options.empty();
    return out;
}

namespace {

// Words of the text; a backslash takes the next character as it is.
std::vector<std::string> split_option_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
        if (blank) {
            if (in_word) words.push_back(std::move(word));
            word.clear();
            in_word = false;
            continue;
        }
        in_word = true;
        if (c == '\\' && i + 1 < text.size()) {
            word += text[++i];
        } else {
            word += c;
        }
    }
    if (in_word) words.push_back(std::move(word));
    return words;
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> parse_startup_options(
    std::string_view text) {
    constexpr const char* kUnsupported =
        "unsupported options startup parameter: only '-c config=val' and '--config=val' are "
        "allowed";
    std::vector<std::pair<std::string, std::string>> out;
    const std::vector<std::string> words = split_option_words(text);
    for (size_t i = 0; i < words.size(); ++i) {
        std::string_view setting = words[i];
        const bool is_long = setting.starts_with("--");
        if (setting == "-c") {
            if (++i == words.size()) return fail("08P01", kUnsupported);
            setting = words[i];
        } else if (is_long || setting.starts_with("-c")) {
            setting.remove_prefix(2);
        } else {
            return fail("08P01", kUnsupported);
        }
        const size_t equals = setting.find('=');
        if (equals == std::string_view::npos || equals == 0) return fail("08P01", kUnsupported);
        std::string name(setting.substr(0, equals));
        if (is_long) {
            for (char& c : name)
                c = c == '-' ? '_' : c;  // as PostgreSQL's ParseLongOption
        }
        out.emplace_back(std::move(name), std::string(setting.substr(equals + 1)));
    }
    return out;
}

std::string make_startup_message(
    const std::vector<std::pair<std::string, std::string>>& parameters) {
    std::string out;
    MessageWriter writer(out);
    writer.begin_untagged();
    writer.u32(kProtocol30);
    for (const auto& [name, value] : parameters) {
        writer.cstring(name);
        writer.cstring(value);
    }
    writer.u8(0);
    writer.end();
    return out;
}

std::string make_cancel_request(uint64_t cancel_key) {
    std::string out;
    MessageWriter writer(out);
    writer.begin_untagged();
    writer.u32(kCancelRequestCode);
    writer.u32(static_cast<uint32_t>(cancel_key >> 32));
    writer.u32(static_cast<uint32_t>(cancel_key));
    writer.end();
    return out;
}

}  // namespace weir
