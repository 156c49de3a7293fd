#include "protocol/tls/handles.h"

#include <openssl/err.h>

namespace weir {

std::string openssl_reason(unsigned long code) {
    if (code == 0) return "unknown reason";
    if (const char* reason = ERR_reason_error_string(code)) return reason;
    return "OpenSSL error " + std::to_string(code);
}

std::string take_openssl_reason() {
    // The first one is the cause, later ones say what it led to.
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    return openssl_reason(code);
}

}  // namespace weir
