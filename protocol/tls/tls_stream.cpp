#include "protocol/tls/tls_stream.h"

#include <openssl/err.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/base/check.h"

namespace weir {

namespace {

std::string key_exchange_of(SSL* ssl) {
    const int group = static_cast<int>(SSL_get_negotiated_group(ssl));
    if (group != NID_undef) {
        const char* name = OBJ_nid2sn(group);
        if (name == nullptr) name = SSL_group_to_name(ssl, group);
        const std::string text = name == nullptr ? "unknown" : name;
        return text.starts_with("ffdhe") ? "/DH=" + text.substr(5) : "/ECDH=" + text;
    }
    EVP_PKEY* peer = nullptr;
    if (SSL_get_peer_tmp_key(ssl, &peer) != 1) return {};
    const KeyPtr owned(peer);
    return EVP_PKEY_get_base_id(peer) == EVP_PKEY_DH
               ? "/DH=" + std::to_string(EVP_PKEY_get_bits(peer))
               : std::string();
}

}  // namespace

TlsStream::TlsStream(TlsContextPtr context, SslPtr ssl, bool is_direct)
    : context_(std::move(context)), ssl_(std::move(ssl)), is_direct_(is_direct) {}

TlsStream::~TlsStream() {
    // Else OpenSSL takes the session for one that went wrong, and nobody could resume it.
    if (!is_broken_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

std::unique_ptr<TlsStream> TlsStream::accept(TlsContextPtr context, int fd, bool is_direct) {
    SslPtr ssl(SSL_new(context->handle()));
    WEIR_CHECK(ssl != nullptr);
    WEIR_CHECK(SSL_set_fd(ssl.get(), fd) == 1);
    SSL_set_accept_state(ssl.get());
    return std::unique_ptr<TlsStream>(new TlsStream(std::move(context), std::move(ssl), is_direct));
}

std::unique_ptr<TlsStream> TlsStream::connect(TlsContextPtr context, int fd, const Target& target) {
    SslPtr ssl(SSL_new(context->handle()));
    WEIR_CHECK(ssl != nullptr);
    WEIR_CHECK(SSL_set_fd(ssl.get(), fd) == 1);
    SSL_set_connect_state(ssl.get());
    if (!target.host.empty() && !is_address(target.host))
        SSL_set_tlsext_host_name(ssl.get(), target.host.c_str());
    if (target.session != nullptr) SSL_set_session(ssl.get(), target.session);
    std::unique_ptr<TlsStream> stream(
        new TlsStream(std::move(context), std::move(ssl), target.is_direct));
    stream->host_ = std::make_unique<std::string>(target.host);
    stream->keeps_session_ = true;
    SSL_set_app_data(stream->ssl_.get(), stream.get());
    return stream;
}

// ---- the handshake ----

TlsStream::Progress TlsStream::handshake() {
    if (is_established_) return Progress::Done;
    if (is_broken_) return Progress::Failed;
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) return check_peer();
    const ssize_t meaning = look_at(result);
    if (meaning == -EAGAIN) return Progress::Wait;
    is_lost_ = is_lost_ || meaning == 0;
    return meaning == 0 ? fail_with("the other side hung up") : Progress::Failed;
}

TlsStream::Progress TlsStream::check_peer() {
    const unsigned char* alpn = nullptr;
    unsigned alpn_bytes = 0;
    SSL_get0_alpn_selected(ssl_.get(), &alpn, &alpn_bytes);
    // Without it, bytes meant for another protocol could be passed off as PostgreSQL's.
    if (is_direct_ && alpn_bytes == 0)
        return fail_with("direct TLS without the ALPN extension for PostgreSQL");
    const bool checks_name =
        context_->side() == TlsSide::Connect && context_->verify() == TlsVerify::Name;
    if (checks_name) {
        const std::optional<CertificateNames> peer = names();
        if (!peer) return fail_with("the server showed no certificate");
        if (Status right = check_host(*peer, *host_); !right)
            return fail_with(right.error().message);
    }
    host_.reset();
    is_established_ = true;
    wants_to_write_ = false;
    has_unread_ = SSL_has_pending(ssl_.get()) == 1;
    return Progress::Done;
}

TlsStream::Progress TlsStream::fail_with(std::string why) {
    is_broken_ = true;
    error_ = std::make_unique<std::string>(std::move(why));
    return Progress::Failed;
}

ssize_t TlsStream::look_at(int result) {
    const int system_error = errno;
    const int meaning = SSL_get_error(ssl_.get(), result);
    wants_to_write_ = meaning == SSL_ERROR_WANT_WRITE;
    switch (meaning) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE: return -EAGAIN;
        case SSL_ERROR_ZERO_RETURN: return 0;
        default: break;
    }
    is_broken_ = true;
    is_lost_ = meaning == SSL_ERROR_SYSCALL;
    const long verified = SSL_get_verify_result(ssl_.get());
    const unsigned long code = ERR_peek_error();
    std::string why =
        code == 0 && system_error != 0 ? std::strerror(system_error) : openssl_reason(code);
    if (!is_established_ && verified != X509_V_OK)
        why += std::string(": ") + X509_verify_cert_error_string(verified);
    ERR_clear_error();
    error_ = std::make_unique<std::string>(std::move(why));
    return -EPROTO;
}

// ---- bytes ----

ssize_t TlsStream::read(std::span<uint8_t> into) {
    if (!is_established_) {
        const Progress progress = handshake();
        if (progress == Progress::Wait) return -EAGAIN;
        if (progress == Progress::Failed) return -EPROTO;
        if (!has_unread_) return -EAGAIN;  // what may be in the socket, a poll tells
    }
    has_unread_ = false;
    if (is_broken_) return -EPROTO;
    size_t got = 0;
    do {
        ERR_clear_error();
        size_t bytes = 0;
        const int result = SSL_read_ex(ssl_.get(), into.data() + got, into.size() - got, &bytes);
        if (result != 1) {
            const ssize_t meaning = look_at(result);
            // What came before an end or an error is used first; the next call will tell.
            has_unread_ = got > 0 && meaning != -EAGAIN;
            return got > 0 ? static_cast<ssize_t>(got) : meaning;
        }
        got += bytes;
        has_unread_ = SSL_has_pending(ssl_.get()) == 1;
    } while (has_unread_ && got < into.size());
    wants_to_write_ = false;
    return static_cast<ssize_t>(got);
}

ssize_t TlsStream::write(ByteView from) {
    if (is_broken_ || !is_established_) return -EPIPE;
    ERR_clear_error();
    size_t bytes = 0;
    const int result = SSL_write_ex(ssl_.get(), from.data(), from.size(), &bytes);
    if (result == 1) return static_cast<ssize_t>(bytes);
    const bool wanted_to_write = wants_to_write_;
    const ssize_t meaning = look_at(result);
    if (meaning == -EAGAIN && !wants_to_write_) return -EPROTO;  // wants bytes: see above
    wants_to_write_ = wanted_to_write;                           // of a read
    return meaning == 0 ? -EPIPE : meaning;
}

void TlsStream::end() {
    if (!is_established_ || is_broken_) return;
    ERR_clear_error();
    if (SSL_shutdown(ssl_.get()) < 0) ERR_clear_error();
}

// ---- what is known of it ----

std::string TlsStream::error() const {
    return error_ == nullptr ? std::string() : *error_;
}

std::string TlsStream::description() const {
    if (!is_established_) return {};
    SSL* ssl = ssl_.get();
    return std::string(SSL_get_version(ssl)) + "/" + SSL_get_cipher_name(ssl) +
           key_exchange_of(ssl);
}

std::optional<CertificateNames> TlsStream::names() const {
    const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
    if (certificate == nullptr) return std::nullopt;
    return names_in(*certificate);
}

std::optional<std::string> TlsStream::end_point_hash() const {
    if (!is_established_) return std::nullopt;
    if (context_->side() == TlsSide::Accept) return context_->end_point_hash();
    const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
    if (certificate == nullptr) return std::nullopt;
    return end_point_hash_of(*certificate);
}

// ---- sessions ----

int TlsStream::on_session(SSL* ssl, SSL_SESSION* session) {
    auto* stream = static_cast<TlsStream*>(SSL_get_app_data(ssl));
    if (stream == nullptr || !stream->keeps_session_) return 0;
    stream->session_.reset(session);
    return 1;  // it is ours
}

SslSessionPtr TlsStream::take_session() {
    keeps_session_ = false;
    return std::move(session_);
}

bool TlsStream::was_resumed() const {
    return SSL_session_reused(ssl_.get()) == 1;
}

}  // namespace weir
