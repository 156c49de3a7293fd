// Views of what a server sends. Each takes a message body (after tag and length) and gives views
// into it, or nothing when the body is malformed. A hostile or broken server must not be able to
// hurt us: fields that may be missing are empty, never null. Source: PostgreSQL documentation,
// Message Formats and Error and Notice Message Fields. Thread: any (pure functions).
#pragma once

#include <optional>
#include <string_view>

#include "protocol/base/bytes.h"
#include "protocol/message/cancel_key.h"
#include "protocol/message/types.h"

namespace weir {

struct AuthView {
    int32_t request = 0;  // AuthRequest, or one we do not know
    ByteView data;
};
std::optional<AuthView> view_auth(ByteView body);

struct ParameterStatusView {
    std::string_view name;
    std::string_view value;
};
std::optional<ParameterStatusView> view_parameter_status(ByteView body);

std::optional<CancelKey> view_backend_key_data(ByteView body);

// NegotiateProtocolVersion: the newest version that the server speaks, and how many of the options
// that were asked for it does not know.
struct NegotiationView {
    uint32_t version = 0;
    uint32_t unknown_options = 0;
};
std::optional<NegotiationView> view_negotiation(ByteView body);

std::optional<TransactionStatus> view_ready_for_query(ByteView body);

std::optional<std::string_view> view_command_complete(ByteView body);

// ErrorResponse and NoticeResponse; also of a truncated body, then with the fields that are there.
struct ErrorView {
    std::string_view severity;
    std::string_view sqlstate;
    std::string_view message;
    std::string_view detail;
    std::string_view hint;
    std::string_view routine;
};
ErrorView view_error(ByteView body);

}  // namespace weir
