#include "health/probe_error.h"

#include <algorithm>

namespace weir {

namespace {

constexpr size_t kLineMax = 200;

bool has(std::string_view text, std::string_view words) {
    return text.find(words) != std::string_view::npos;
}

bool is_state_char(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

Outcome classify_system_failure(ProbePhase phase, std::string_view message) {
    if (has(message, "could not translate host name")) return Outcome::ProbeFailure;
    if (has(message, "timed out") || has(message, "unreachable") || has(message, "No route")) {
        return Outcome::ConnectTimeout;
    }
    if (phase == ProbePhase::Connect) return Outcome::ConnectRefused;
    if (has(message, "closed the connection") || has(message, "reset by peer") ||
        has(message, "Broken pipe")) {
        return Outcome::ConnectionLost;
    }
    if (phase == ProbePhase::Tls || has(message, "SSL")) return Outcome::TlsFailure;
    // libpq itself says so when it has none to send.
    if (has(message, "no password supplied")) return Outcome::CredentialFailure;
    return Outcome::ProbeFailure;
}

}  // namespace

std::string_view sqlstate_of(std::string_view message) {
    constexpr size_t kLength = 5;
    std::string_view last;
    for (size_t at = message.find(":  "); at != std::string_view::npos;
         at = message.find(":  ", at + 1)) {
        const std::string_view rest = message.substr(at + 3);
        if (rest.size() <= kLength || rest[kLength] != ':') continue;
        const std::string_view state = rest.substr(0, kLength);
        if (std::all_of(state.begin(), state.end(), is_state_char)) last = state;
    }
    return last;
}

Outcome classify_connect_failure(ProbePhase phase, std::string_view message) {
    const std::string_view state = sqlstate_of(message);
    if (state.empty()) return classify_system_failure(phase, message);
    return classify_sqlstate(state, {.is_login = true});
}

Outcome classify_deadline(ProbePhase phase) {
    switch (phase) {
        case ProbePhase::Connect: return Outcome::ConnectTimeout;
        case ProbePhase::Tls:
        case ProbePhase::Login: return Outcome::LoginTimeout;
        case ProbePhase::Query: break;
    }
    return Outcome::ProbeTimeout;
}

bool is_refusal_of_a_live_server(Outcome outcome, std::string_view sqlstate) {
    if (outcome == Outcome::CredentialFailure) return true;
    return outcome == Outcome::SqlError && !sqlstate.empty();
}

std::string one_line(std::string_view message) {
    // With several attempts (addresses, with and without TLS) the last one is what it ended with.
    const size_t attempt = message.rfind("connection to server");
    if (attempt != std::string_view::npos) message.remove_prefix(attempt);
    std::string line(message.substr(0, std::min(message.find('\n'), kLineMax)));
    std::replace_if(
        line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    return line;
}

}  // namespace weir
