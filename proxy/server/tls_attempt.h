// TlsAttempt: whether a connection to a server begins with a request for TLS, what its answer
// means, and whether a failure is a reason to try once more the other way. Rules of libpq's sslmode
// and sslnegotiation (PostgreSQL documentation, "SSL Support"; "SSL Session Encryption"), but that
// a wrong password is not tried twice. Pure. Owner: the connection, until it has logged in. Thread:
// its owner's.
//
//   disable              plain
//   allow                plain; when refused for being so: TLS
//   prefer               TLS; plain when the server has none, or refuses it, or it goes wrong
//   require, verify-*    TLS
#pragma once

#include "conf/config.h"
#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

namespace weir {

class TlsAttempt {
  public:
    // A Unix socket is never encrypted. `has_tls`: there is a context for it.
    TlsAttempt(SslMode mode, TlsNegotiation negotiation, bool is_unix, bool has_tls);

    enum class Step : uint8_t {
        LogIn,      // in the clear
        Ask,        // send an SSLRequest, its answer goes to on_answer()
        Handshake,  // at once
    };
    // What comes when the socket is connected.
    [[nodiscard]] Step first_step() const;
    // The bytes that came for an SSLRequest: LogIn or Handshake. Errors: 08001 (no connection can
    // be made like this, waiting does not help), when the server has no TLS and must have, or said
    // more than it was asked.
    [[nodiscard]] Result<Step> on_answer(ByteView answer) const;

    // The handshake failed / the server refused the login before it was authenticated, with this
    // SQLSTATE. True: connect once more; first_step() is another then.
    bool retry_after_handshake();
    bool retry_after_refusal(std::string_view sqlstate);

    // What was offered to the server, see TlsSessions.
    bool was_session_offered = false;
    Instant handshake_began_at;

  private:
    bool retry(bool with_tls);

    SslMode mode_;
    TlsNegotiation negotiation_;
    bool uses_tls_ = false;
    bool may_retry_ = false;
};

}  // namespace weir
