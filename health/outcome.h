// Outcome: what the traffic and the probes saw of an endpoint, and which of it is evidence.
//
// Only what the backend caused counts (Envoy makes the same split into local-origin and external
// failures): a full queue, an impatient client or a wrong password says nothing about a server, and
// a score that listened to them would take healthy servers away just when they are needed.
// Thread: any (values and pure functions).
#pragma once

#include <cstdint>
#include <string_view>

namespace weir {

enum class Outcome : uint8_t {
    Success,  // a log-in, transaction or probe that ended well

    // Local origin: no answer of the server's.
    ConnectRefused,
    ConnectTimeout,
    TlsFailure,
    LoginTimeout,
    ConnectionLost,  // reset or end of file that nobody here asked for
    ProbeTimeout,
    ProbeFailure,

    // Server origin: the server answered that it is not well.
    ServerError,         // 57P01, 57P02, 57P03, 58xxx, XX000-XX002, 53100, 53200
    ServerOutOfMemory,   // 53200: a failure, and a capacity signal besides
    ServerShuttingDown,  // 57P01 at log-in
    ServerStarting,      // 57P03 at log-in
    NotPrimary,          // 25006 from a server believed to be the primary

    // No evidence about the server's health.
    CapacitySignal,     // 53300: for the size of the pool
    CredentialFailure,  // 28xxx: kept per credential
    CheckoutTimeout,
    QueueTimeout,
    ClientCancel,
    StatementTimeout,
    SqlError,  // any other error: 22, 23, 40, 42, ...
};

enum class Evidence : uint8_t { Success, LocalFailure, ServerFailure, None };

[[nodiscard]] Evidence evidence_of(Outcome outcome);

// True for the two answers that end every doubt: the server itself says at log-in that it is
// stopping or not yet there. They eject at once.
[[nodiscard]] constexpr bool ejects_at_once(Outcome outcome) {
    return outcome == Outcome::ServerShuttingDown || outcome == Outcome::ServerStarting;
}

// True for what tells a pool to be smaller: 53300, 53200, a log-in that timed out.
[[nodiscard]] constexpr bool is_capacity_signal(Outcome outcome) {
    return outcome == Outcome::CapacitySignal || outcome == Outcome::ServerOutOfMemory ||
           outcome == Outcome::LoginTimeout;
}

// Words for logs and SHOW, such as "connect refused".
[[nodiscard]] std::string_view to_text(Outcome outcome);

// What is known where an error was received.
struct ErrorContext {
    bool is_login = false;             // before the first ReadyForQuery
    bool is_believed_primary = false;  // the endpoint's role now
    // The server's parameter in_hot_standby (reported since PostgreSQL 14) is "off": a 25006 then
    // comes from a transaction that the client itself made read-only, and no client may take the
    // primary's role away.
    bool is_known_writable = false;
};

// What an ErrorResponse with this SQLSTATE says about the server. Anything that is not five
// characters is a SqlError.
[[nodiscard]] Outcome classify_sqlstate(std::string_view sqlstate, ErrorContext context);

}  // namespace weir
