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
#include "protocol/message/cancel_key.h"
#include "protocol/message/types.h"

namespace weir {

struct StartupPacket {
    enum class Kind : uint8_t { Startup, SslRequest, GssEncRequest, Cancel };
    Kind kind = Kind::Startup;
    uint32_t version = 0;  // Startup: major << 16 | minor
    // Startup: name/value pairs in order, views into the packet.
    std::vector<std::pair<std::string_view, std::string_view>> parameters;
    CancelKey cancel_key;  // Cancel

    [[nodiscard]] std::string_view find(std::string_view name) const;
    [[nodiscard]] bool has(std::string_view name) const;
};

// Total bytes of the start-up packet that `input` begins with: 0 = fewer than four bytes are there.
// Error 08P01 when the length cannot be one of a start-up packet.
Result<uint32_t> startup_packet_bytes(ByteView input);

// Takes exactly one whole packet (length word included). Error 08P01 with PgBouncer's wording for a
// bad layout and for protocol 2, 0A000 for another protocol that is not 3.x.
Result<StartupPacket> parse_startup_packet(ByteView packet);

// What is spoken with the client: 3.0 or 3.2, there is no 3.1. It has to be told when it asked for
// something else, or for `_pq_.` options, of which we know none.
struct Negotiation {
    bool needed = false;
    uint32_t version = kProtocol30;
    std::vector<std::string_view> unknown_options;
};
Negotiation negotiate(const StartupPacket& packet);

// Splits the `options` start-up parameter (`-c k=v`, `-ck=v`, `--k=v`, backslash escapes a
// character). Error 08P01 with PgBouncer's wording for any other text.
Result<std::vector<std::pair<std::string, std::string>>> parse_startup_options(
    std::string_view text);

// The start-up parameter `replication`.
enum class Replication : uint8_t { None, Logical, Physical };
// "database" is logical; PostgreSQL's words for a boolean are physical or none. Error 22023.
Result<Replication> parse_replication(std::string_view value);
// As the `replication` column of SHOW CLIENTS and SHOW SERVERS has it.
const char* to_string(Replication replication);

// Writers.
std::string make_startup_message(const std::vector<std::pair<std::string, std::string>>& parameters,
                                 uint32_t version = kProtocol30);
std::string make_cancel_request(const CancelKey& key);
std::string make_ssl_request();

}  // namespace weir
