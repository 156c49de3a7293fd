#include "conf/log_line.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <ctime>
#include <iterator>

#include "conf/json_text.h"
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
