// PEM files into a context. Thread: any (pure functions).
#pragma once

#include <openssl/ssl.h>

#include "protocol/tls/tls_settings.h"

namespace weir {

// Each error is F0000 and begins with the option and the path.

// The certificate and the chain behind it.
Status load_certificate(SSL_CTX* context, const TlsFile& file);
// Never asks for a passphrase: a key that needs one is refused.
Status load_key(SSL_CTX* context, const TlsFile& file);
// Authorities to verify by; revocation lists in the file are then obeyed for the whole chain.
Status load_authorities(SSL_CTX* context, const TlsFile& file);

// F0000 `client_tls_cert_file "x.pem": why`.
tl::unexpected<Error> fail_for(const TlsFile& file, const std::string& why);

}  // namespace weir
