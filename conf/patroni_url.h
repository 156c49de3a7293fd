// Where the Patroni of a backend answers: `http://10.0.0.1:8008`. A scheme, a host and perhaps a
// port, and nothing else: the path is Weir's to know, and a password has no place in a file that
// says where servers are. What is let through here goes to libcurl as it is.
// Thread: any (pure).
#pragma once

#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace weir {

// The same without a slash at its end; empty stays empty. Error 22023 with a remedy.
[[nodiscard]] Result<std::string> parse_patroni_url(std::string_view text);

}  // namespace weir
