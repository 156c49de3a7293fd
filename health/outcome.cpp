#include "health/outcome.h"

namespace weir {

Evidence evidence_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::Success: return Evidence::Success;
        case Outcome::ConnectRefused:
        case Outcome::ConnectTimeout:
        case Outcome::TlsFailure:
        case Outcome::LoginTimeout:
        case Outcome::ConnectionLost:
        case Outcome::ProbeTimeout:
        case Outcome::ProbeFailure: return Evidence::LocalFailure;
        case Outcome::ServerError:
        case Outcome::ServerOutOfMemory:
        case Outcome::ServerShuttingDown:
        case Outcome::ServerStarting:
        case Outcome::NotPrimary: return Evidence::ServerFailure;
        case Outcome::CapacitySignal:
        case Outcome::CredentialFailure:
        case Outcome::CheckoutTimeout:
        case Outcome::QueueTimeout:
        case Outcome::ClientCancel:
        case Outcome::StatementTimeout:
        case Outcome::SqlError: return Evidence::None;
    }
    return Evidence::None;
}

std::string_view to_text(Outcome outcome) {
    switch (outcome) {
        case Outcome::Success: return "success";
        case Outcome::ConnectRefused: return "connect refused";
        case Outcome::ConnectTimeout: return "connect timeout";
        case Outcome::TlsFailure: return "TLS failure";
        case Outcome::LoginTimeout: return "login timeout";
        case Outcome::ConnectionLost: return "connection lost";
        case Outcome::ProbeTimeout: return "probe timeout";
        case Outcome::ProbeFailure: return "probe failure";
        case Outcome::ServerError: return "server error";
        case Outcome::ServerOutOfMemory: return "server out of memory";
        case Outcome::ServerShuttingDown: return "server shutting down";
        case Outcome::ServerStarting: return "server starting up";
        case Outcome::NotPrimary: return "not the primary";
        case Outcome::CapacitySignal: return "too many connections";
        case Outcome::CredentialFailure: return "credential failure";
        case Outcome::CheckoutTimeout: return "checkout timeout";
        case Outcome::QueueTimeout: return "queue timeout";
        case Outcome::ClientCancel: return "client cancel";
        case Outcome::StatementTimeout: return "statement timeout";
        case Outcome::SqlError: return "SQL error";
    }
    return "unknown";
}

Outcome classify_sqlstate(std::string_view sqlstate, ErrorContext context) {
    if (sqlstate.size() != 5) return Outcome::SqlError;
    if (sqlstate == "57P01") {
        return context.is_login ? Outcome::ServerShuttingDown : Outcome::ServerError;
    }
    if (sqlstate == "57P03") {
        return context.is_login ? Outcome::ServerStarting : Outcome::ServerError;
    }
    if (sqlstate == "57014") return Outcome::StatementTimeout;
    if (sqlstate == "53200") return Outcome::ServerOutOfMemory;
    if (sqlstate == "53300") return Outcome::CapacitySignal;
    if (sqlstate == "25006") {
        const bool counts = context.is_believed_primary && !context.is_known_writable;
        return counts ? Outcome::NotPrimary : Outcome::SqlError;
    }
    if (sqlstate.starts_with("28")) return Outcome::CredentialFailure;
    const bool is_server_failure = sqlstate == "57P02" || sqlstate == "53100" ||
                                   sqlstate.starts_with("58") || sqlstate == "XX000" ||
                                   sqlstate == "XX001" || sqlstate == "XX002";
    return is_server_failure ? Outcome::ServerError : Outcome::SqlError;
}

}  // namespace weir
