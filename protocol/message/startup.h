// The packets that open a connection: StartupMessage, SSLRequest, GSSENCRequest, CancelRequest, and
// what we answer to a client that asks for a newer protocol. Source: PostgreSQL documentation,
// "Frontend/Backend Protocol", Start-up and Message Formats. Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace weir {

struct StartupPacket {
    enum class Kind : uint8_t { Startup, SslRequest, GssEncRequest, Cancel };
    Kind kind = Kind::Startup;
    uint32_t version = 0;  // Startup: major << 16 | minor
    // Startup: name/value pairs in order, views into the packet.
    std::vector<std::pair<std::string_view, std::string_view>> parameters;
    uint64_t cancel_key = 0;  // Cancel: process id << 32 | secret key

    [[nodiscard]] std::string_view find(std::string_view name) const;
    [[nodiscard]] bool has(std::string_view name) const;
};

// Total bytes of the start-up packet that `input` begins with: 0 = fewer than four bytes are there.
// Error 08P01 when the length cannot be one of a start-up packet.
Result<uint32_t> startup_packet_bytes(ByteView input);

// Takes exactly one whole packet (length word included). Error 08P01 with PgBouncer's wording for a
// bad layout, 0A000 for a protocol that is not 3.x.
Result<StartupPacket> parse_startup_packet(ByteView packet);

// What the client asked for and we do not speak: a minor version above 0, `_pq_.` options.
struct Negotiation {
    bool needed = false;
    std::vector<std::string_view> unknown_options;
};
Negotiation negotiate(const StartupPacket& packet);

// Splits the `options` start-up parameter (`-c k=v`, `-ck=v`, `--k=v`, backslash escapes a
// character). Error 08P01 with PgBouncer's wording for any other text.
Result<std::vector<std::pair<std::string, std::string>>> parse_startup_options(
    std::string_view text);

// Writers.
std::string make_startup_message(
    const std::vector<std::pair<std::string, std::string>>& parameters);
std::string make_cancel_request(uint64_t cancel_key);

}  // namespace weir
