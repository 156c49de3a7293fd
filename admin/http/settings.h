// HttpSettings: what the options metrics_* come to, with the files that they name read. Thread: any
// (immutable).
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "conf/config.h"
#include "conf/metrics_address.h"
#include "protocol/base/result.h"

namespace weir {

// The hash of a token: tokens of all lengths compare in the same time, and none is kept.
class TokenHash {
  public:
    explicit TokenHash(std::string_view token);
    [[nodiscard]] bool matches(std::string_view token) const;

  private:
    std::array<uint8_t, 32> hash_{};
};

// Who may ask, and how it is spoken to: replaced while the server goes on.
struct HttpAccessRules {
    std::optional<TokenHash> token;  // none: everybody may look
    std::shared_ptr<SSL_CTX> tls;    // null: plain HTTP
};

struct HttpSettings {
    std::optional<MetricsAddress> address;  // none: nothing is served
    HttpAccessRules access;
};

// Errors: F0000 with the option, its file, and what is wrong with it. Files are not looked at when
// nothing is served.
[[nodiscard]] Result<HttpSettings> read_http_settings(const GlobalConfig& global);

// May somebody with this header Authorization look? `Bearer TOKEN`, or `Basic` with the token as
// password of any user, which is how a browser sends it. True when there is no token.
[[nodiscard]] bool is_authorized(const std::optional<TokenHash>& token, const char* authorization);

}  // namespace weir
