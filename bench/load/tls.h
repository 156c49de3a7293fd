// TLS for the load generator: every connection makes a full handshake, nothing is verified, and no
// session is resumed. Thread: a TlsStream belongs to its Driver's; the context is anybody's.

#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string_view>

#include "bench/load/net.h"

namespace weir::bench {

constexpr std::string_view kTlsRequest("\x00\x00\x00\x08\x04\xd2\x16\x2f", 8);

class TlsContext {
  public:
    TlsContext() : context_(SSL_CTX_new(TLS_client_method())) {
        check_system(context_ != nullptr, "SSL_CTX_new");
        SSL_CTX_set_mode(context_,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_read_ahead(context_, 1);
        SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
    }
    ~TlsContext() { SSL_CTX_free(context_); }
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;
    SSL_CTX* get() const { return context_; }

  private:
    SSL_CTX* context_;
};

// recv and send of an encrypted connection: bytes, 0 at the end, or -1 with errno.
class TlsStream {
  public:
    TlsStream(const TlsContext& context, int fd) : ssl_(SSL_new(context.get())) {
        check_system(ssl_ != nullptr && SSL_set_fd(ssl_.get(), fd) == 1, "SSL_new");
        SSL_set_connect_state(ssl_.get());
    }

    // True when it is done; errno EAGAIN: go on when there is something to read.
    bool shake_hands() {
        ERR_clear_error();
        const int result = SSL_do_handshake(ssl_.get());
        if (result != 1) set_errno(result);
        return result == 1;
    }
    ssize_t receive(char* into, size_t bytes) {
        ERR_clear_error();
        const int got = SSL_read(ssl_.get(), into, static_cast<int>(bytes));
        return got > 0 ? got : set_errno(got);
    }
    ssize_t send(std::string_view bytes) {
        ERR_clear_error();
        const int sent = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
        return sent > 0 ? sent : set_errno(sent);
    }
    bool has_more() const { return SSL_has_pending(ssl_.get()) == 1; }

  private:
    struct Free {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
    };

    ssize_t set_errno(int result) {
        const int why = SSL_get_error(ssl_.get(), result);
        if (why == SSL_ERROR_ZERO_RETURN) return 0;
        errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
        return -1;
    }

    std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace weir::bench
