// TlsSettings: what a TlsContext is made of: everything that the options say, and the contents of
// the files that they name, read by the caller. Thread: any (values, pure functions).
#pragma once

#include <cstdint>
#include <string>

#include "protocol/auth/secret.h"
#include "protocol/base/result.h"

namespace weir {

enum class TlsSide : uint8_t { Accept, Connect };

// What of the other side's certificate is checked. On the accepting side Name is no more than
// Authority: a client's certificate is compared with its user by the authentication.
enum class TlsVerify : uint8_t { Nothing, Authority, Name };

// A PEM file: which option named it (for messages), its path (empty: the option is not set), and
// what it holds.
struct TlsFile {
    std::string option;
    std::string path;
    SecretString content;

    [[nodiscard]] bool is_set() const { return !path.empty(); }
};

struct TlsSettings {
    TlsSide side = TlsSide::Accept;
    TlsVerify verify = TlsVerify::Nothing;
    std::string prefix = "client_tls";  // of the options, for messages
    // `secure`, `legacy`, `all`, or a list of `tlsv1.0` .. `tlsv1.3`; `!` before one takes it out.
    std::string protocols = "secure";
    std::string ciphers = "default";  // up to TLS 1.2; OpenSSL's syntax, or a word for its default
    std::string tls13_ciphers;        // empty: OpenSSL's default
    std::string dheparams = "auto";   // none, auto, legacy
    std::string ecdhcurve = "auto";   // none, auto, or names of groups
    bool may_use_kernel = false;      // which knows TLS; asking in vain costs each handshake
    TlsFile authorities;              // certificates, and revocation lists if there are any
    TlsFile certificate;              // with the chain behind it
    TlsFile key;
};

// A digest of all of it, contents of files too (but not their paths' spelling): two settings with
// the same one make contexts that behave alike.
std::string fingerprint(const TlsSettings& settings);

struct TlsVersions {
    int min = 0;  // TLS1_VERSION and so on
    int max = 0;
    uint64_t disabled = 0;  // SSL_OP_NO_TLSv1_x of those between that are not wanted
};
// Errors: F0000 with the word that is not one, or when nothing is left.
Result<TlsVersions> parse_tls_versions(const std::string& text);

}  // namespace weir
