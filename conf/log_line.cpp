#include "conf/log_line.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <ctime>
#include <iterator>

#include "conf/limits.h"

namespace weir {

namespace {

// One line stays one line: what could end it, or steer a terminal, is written as \xNN.
void append_escaped(std::string& out, std::string_view text) {
    for (const char c : text.substr(0, kLogLineBytesMax)) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte >= 0x20 && byte != 0x7f) || c == '\t') {
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else {
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
        }
    }
    if (text.size() > kLogLineBytesMax) out += "...";
}

// Bytes of the UTF-8 character that begins `text`; 0 = it is none.
size_t utf8_bytes(std::string_view text) {
    const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    size_t size = 0;
    if (first >= 0xc2 && first <= 0xdf) size = 2;
    if (first >= 0xe0 && first <= 0xef) size = 3;
    if (first >= 0xf0 && first <= 0xf4) size = 4;
    if (size == 0 || text.size() < size) return 0;
    for (size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    // Overlong forms, surrogates, and what is beyond Unicode.
    const unsigned char second = byte(1);
    const bool is_wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                          (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
    return is_wrong ? 0 : size;
}

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    const bool is_cut = text.size() > kLogLineBytesMax;
    text = text.substr(0, kLogLineBytesMax);
    while (!text.empty()) {
        const size_t size = utf8_bytes(text);
        const auto byte = static_cast<unsigned char>(text[0]);
        if (size == 0) {
            out += "\\ufffd";
        } else if (byte < 0x20 || byte == 0x7f) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
        } else {
            if (byte == '"' || byte == '\\') out += '\\';
            out += text.substr(0, size);
        }
        text.remove_prefix(std::max<size_t>(size, 1));
    }
    out += is_cut ? "...\"" : "\"";
}

void append_json_field(std::string& out, std::string_view name, std::string_view value) {
    out += ",\"";
    out += name;
    out += "\":";
    append_json_string(out, value);
}

void append_json_peer(std::string& out, const LogPeer& peer) {
    const char* side = peer.side == LogPeer::Side::Client ? "client" : "server";
    fmt::format_to(std::back_inserter(out), ",\"{}\":\"{:#x}\"", side, peer.id);
    if (!peer.database.empty()) append_json_field(out, "database", peer.database);
    if (!peer.user.empty()) append_json_field(out, "user", peer.user);
    append_json_field(out, "host", peer.is_unix ? "unix" : peer.host);
    fmt::format_to(std::back_inserter(out), ",\"port\":{}", peer.port);
    if (peer.is_unix && peer.pid != 0)
        fmt::format_to(std::back_inserter(out), ",\"peer_pid\":{}", peer.pid);
    if (peer.peer_id != 0) fmt::format_to(std::back_inserter(out), ",\"peer_id\":{}", peer.peer_id);
}

}  // namespace

const char* to_string(LogLevel level) {
    switch (level) {
        case LogLevel::Noise: return "NOISE";
        case LogLevel::Debug: return "DEBUG";
        case LogLevel::Log: return "LOG";
        case LogLevel::Warning: return "WARNING";
        case LogLevel::Error: return "ERROR";
        case LogLevel::Fatal: return "FATAL";
    }
    return "unknown";  // uncovered: every enumerator is above
}

int syslog_priority(LogLevel level) {
    switch (level) {
        case LogLevel::Noise:
        case LogLevel::Debug: return 7;
        case LogLevel::Log: return 6;
        case LogLevel::Warning: return 4;
        case LogLevel::Error: return 3;
        case LogLevel::Fatal: return 2;
    }
    return 6;  // uncovered: every enumerator is above
}

std::string LogPeer::address() const {
    if (is_unix && side == Side::Server) return fmt::format("unix:{}", port);
    if (is_unix) return fmt::format("unix({}):{}", pid, port);
    const bool is_v6 = host.find(':') != std::string::npos;
    if (is_v6) return fmt::format("[{}]:{}", host, port);
    return fmt::format("{}:{}", host, port);
}

std::string LogPeer::prefix() const {
    std::string who = peer_id != 0 ? fmt::format("peer-{}", peer_id)
                                   : fmt::format("{}/{}", database.empty() ? "(nodb)" : database,
                                                 user.empty() ? "(nouser)" : user);
    return fmt::format("{}-{:#x}: {}@{} ", side == Side::Client ? 'C' : 'S', id, who, address());
}

size_t LogLine::bytes() const {
    size_t out = sizeof *this + message.size();
    if (peer) out += peer->database.size() + peer->user.size() + peer->host.size();
    return out;
}

void append_log_text(std::string& out, const LogLine& line) {
    if (line.peer) append_escaped(out, line.peer->prefix());
    append_escaped(out, line.message);
}

void append_log_json(std::string& out, const LogLine& line, int pid) {
    const auto when = static_cast<time_t>(line.unix_ms / 1000);
    struct tm utc {};
    gmtime_r(&when, &utc);
    char text[64];
    const size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    fmt::format_to(std::back_inserter(out), "{{\"time\":\"{}.{:03}Z\",\"level\":\"{}\",\"pid\":{}",
                   std::string_view(text, size), line.unix_ms % 1000, to_string(line.level), pid);
    if (line.peer) append_json_peer(out, *line.peer);
    append_json_field(out, "message", line.message);
    out += '}';
}

void LogClock::append(std::string& out, int64_t unix_ms) {
    const int64_t second = unix_ms / 1000;
    if (second != second_) {
        const auto when = static_cast<time_t>(second);
        struct tm local {};
        localtime_r(&when, &local);
        char text[64];
        date_.assign(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local));
        zone_.assign(text, std::strftime(text, sizeof text, "%Z", &local));
        second_ = second;
    }
    fmt::format_to(std::back_inserter(out), "{}.{:03} {}", date_, unix_ms % 1000, zone_);
}

}  // namespace weir
