// TlsContext: an SSL_CTX, made once from settings and shared by all connections of its side;
// replaced as a whole when the settings change, while connections that it made go on with it.
// Thread: immutable after make(); any thread may make streams from it.
//
// Rules for both sides: no compression, no renegotiation, the server's preference of ciphers. A
// context for clients gives out no session tickets: hardly a PostgreSQL client resumes sessions,
// and each ticket costs every handshake a record.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "protocol/tls/handles.h"
#include "protocol/tls/tls_settings.h"

namespace weir {

// The protocol's name in ALPN (PostgreSQL 17 documentation, "SSL Session Encryption").
constexpr std::string_view kTlsAlpn = "postgresql";

class TlsContext {
  public:
    // Errors: F0000 with the option, its file, and what OpenSSL says of it.
    static Result<std::shared_ptr<const TlsContext>> make(const TlsSettings& settings);

    [[nodiscard]] SSL_CTX* handle() const { return handle_.get(); }
    [[nodiscard]] TlsSide side() const { return side_; }
    [[nodiscard]] TlsVerify verify() const { return verify_; }
    // What it was made of, as fingerprint() tells it.
    [[nodiscard]] const std::string& made_of() const { return made_of_; }
    // What clients bind to (tls-server-end-point): the hash of the certificate that we show. None
    // when there is no such hash for its kind of signature.
    [[nodiscard]] const std::optional<std::string>& end_point_hash() const {
        return end_point_hash_;
    }

  private:
    explicit TlsContext(const TlsSettings& settings)
        : side_(settings.side), verify_(settings.verify), made_of_(fingerprint(settings)) {}

    Status set_up(const TlsSettings& settings);
    Status set_up_certificate(const TlsSettings& settings);
    Status set_up_algorithms(const TlsSettings& settings);

    const TlsSide side_;
    const TlsVerify verify_;
    const std::string made_of_;
    SslContextPtr handle_;
    std::optional<std::string> end_point_hash_;
};

using TlsContextPtr = std::shared_ptr<const TlsContext>;

// RFC 5929 section 4.1: the certificate's hash, by the algorithm of its signature, SHA-256 where
// that is MD5 or SHA-1. None when the signature has no such algorithm (Ed25519).
std::optional<std::string> end_point_hash_of(const X509& certificate);

}  // namespace weir
