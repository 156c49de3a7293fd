#include "protocol/message/startup.h"

#include <strings.h>

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
        packet.cancel_key.process_id = reader.u32();
        const ByteView secret = reader.rest();
        const bool is_key = reader.ok() && secret.size() >= kCancelSecretBytesMin &&
                            secret.size() <= kCancelSecretBytesMax;
        if (!is_key) return fail("08P01", "invalid length of cancel request");
        packet.cancel_key.secret = as_text(secret);
        return packet;
    }
    packet.version = code;
    if (code >> 16 == 2) return fail("08P01", "old V2 protocol not supported");
    if (code >> 16 != 3) {
        return fail("0A000", "unsupported frontend protocol " + std::to_string(code >> 16) + "." +
                                 std::to_string(code & 0xffff) + ": server supports 3.0 to 3.2");
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
    out.version = packet.version >= kProtocol32 ? kProtocol32 : kProtocol30;
    out.needed = packet.version != out.version || !out.unknown_options.empty();
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

// PostgreSQL takes a word's beginning, too, as long as it tells the word ("o" could be on or off).
Result<Replication> parse_replication(std::string_view value) {
    if (value == "database") return Replication::Logical;
    struct Word {
        std::string_view text;
        size_t bytes_min;
        bool is_on;
    };
    static constexpr Word kWords[] = {{"true", 1, true}, {"false", 1, false}, {"yes", 1, true},
                                      {"no", 1, false},  {"on", 2, true},     {"off", 2, false},
                                      {"1", 1, true},    {"0", 1, false}};
    for (const Word& word : kWords) {
        const bool is_it = value.size() >= word.bytes_min && value.size() <= word.text.size() &&
                           strncasecmp(value.data(), word.text.data(), value.size()) == 0;
        if (is_it) return word.is_on ? Replication::Physical : Replication::None;
    }
    return fail("22023",
                "invalid value for parameter \"replication\": \"" + std::string(value) + "\"");
}

const char* to_string(Replication replication) {
    switch (replication) {
        case Replication::None: return "none";
        case Replication::Logical: return "logical";
        case Replication::Physical: return "physical";
    }
    return "none";
}

std::string make_startup_message(const std::vector<std::pair<std::string, std::string>>& parameters,
                                 uint32_t version) {
    std::string out;
    MessageWriter writer(out);
    writer.begin_untagged();
    writer.u32(version);
    for (const auto& [name, value] : parameters) {
        writer.cstring(name);
        writer.cstring(value);
    }
    writer.u8(0);
    writer.end();
    return out;
}

std::string make_ssl_request() {
    std::array<uint8_t, 8> request{};
    store_be32(request.data(), request.size());
    store_be32(request.data() + 4, kSslRequestCode);
    return std::string(as_text(request));
}

std::string make_cancel_request(const CancelKey& key) {
    std::string out;
    MessageWriter writer(out);
    writer.begin_untagged();
    writer.u32(kCancelRequestCode);
    writer.u32(key.process_id);
    writer.text(key.secret);
    writer.end();
    return out;
}

}  // namespace weir
