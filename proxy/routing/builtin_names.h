// What PostgreSQL 15 brings along, as far as a read-only proof needs it: sorted tables made from a
// real catalog (tests/support/builtin_names.py), searched by halving. Names are compared as the
// parser gives them: unquoted ones in lower case already.
// Thread: any (pure).
#pragma once

#include <string_view>

namespace weir {

// All functions of pg_catalog with this name are immutable or stable and have no side effects.
[[nodiscard]] bool is_harmless_function(std::string_view name);

// Built in, but what it answers depends on the server or the connection that is asked; some assign
// a transaction id besides.
[[nodiscard]] bool is_server_specific_function(std::string_view name);

// A built-in operator, none of which is volatile.
[[nodiscard]] bool is_harmless_operator(std::string_view name);

// A built-in type that a value can have, or with an underscore in front an array of it. Casts to it
// run its input function, which is immutable or stable.
[[nodiscard]] bool is_builtin_type(std::string_view name);

// A table or view of pg_catalog that says the same on a replica.
[[nodiscard]] bool is_replicated_catalog(std::string_view name);

}  // namespace weir
