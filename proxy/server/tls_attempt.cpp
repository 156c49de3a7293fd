#include "proxy/server/tls_attempt.h"

namespace weir {

TlsAttempt::TlsAttempt(SslMode mode, TlsNegotiation negotiation, bool is_unix, bool has_tls)
    : mode_(mode), negotiation_(negotiation) {
    const bool is_possible = !is_unix && has_tls && mode != SslMode::Disable;
    uses_tls_ = is_possible && mode != SslMode::Allow;
    may_retry_ = is_possible && (mode == SslMode::Allow || mode == SslMode::Prefer);
}

TlsAttempt::Step TlsAttempt::first_step() const {
    if (!uses_tls_) return Step::LogIn;
    return negotiation_ == TlsNegotiation::Direct ? Step::Handshake : Step::Ask;
}

Result<TlsAttempt::Step> TlsAttempt::on_answer(ByteView answer) const {
    // Whatever follows was sent before anything was encrypted: it cannot be the server's.
    if (answer.size() > 1) return fail("08001", "received unencrypted data after SSL response");
    if (!answer.empty() && answer[0] == 'S') return Step::Handshake;
    if (answer.empty() || answer[0] != 'N')
        return fail("08001", "received invalid response to SSL negotiation");
    if (mode_ == SslMode::Prefer) return Step::LogIn;
    return fail("08001", "server refused SSL");
}

bool TlsAttempt::retry_after_handshake() {
    return mode_ == SslMode::Prefer && retry(false);
}

bool TlsAttempt::retry_after_refusal(std::string_view sqlstate) {
    // invalid_authorization_specification: what pg_hba.conf says to those that it does not let in
    if (sqlstate != "28000") return false;
    return retry(mode_ == SslMode::Allow);
}

bool TlsAttempt::retry(bool with_tls) {
    if (!may_retry_ || uses_tls_ == with_tls) return false;
    may_retry_ = false;
    uses_tls_ = with_tls;
    return true;
}

}  // namespace weir
