// How a probe that failed is classified.
//
// libpq tells no SQLSTATE of a refused log-in, only text; with verbosity VERBOSE the text contains
// it, in any language: `FATAL:  57P03: the database system is starting up`. What the operating
// system refused is known by the phase it happened in, and by strerror's words (the process runs in
// the C locale).
// Pure. Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "health/outcome.h"

namespace weir {

enum class ProbePhase : uint8_t { Connect, Tls, Login, Query };

// Of the last server error in libpq's verbose text; empty when there is none.
[[nodiscard]] std::string_view sqlstate_of(std::string_view message);

// The connection could not be made; `message` is libpq's.
[[nodiscard]] Outcome classify_connect_failure(ProbePhase phase, std::string_view message);
// The deadline passed.
[[nodiscard]] Outcome classify_deadline(ProbePhase phase);
// The server answered and is alive, but does not want to talk to us: a password, a database, a
// privilege.
[[nodiscard]] bool is_refusal_of_a_live_server(Outcome outcome, std::string_view sqlstate);

// The line of `message` that tells most, without control characters and of bounded length.
[[nodiscard]] std::string one_line(std::string_view message);

}  // namespace weir
